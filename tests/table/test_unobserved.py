"""The sample of pairs that were not shown, against the impressions of the same days."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.core.files import hash_tree, read_json
from tasks.core.layout import partition
from tasks.table.build import build_table
from tasks.table.columns import Array, open_columns
from tasks.table.config import TableConfig
from tasks.table.preprocessor import Preprocessor
from tests.table.small_night import DAYS, rewrite_rows
from tests.tolerance import ulps

CONFIG = TableConfig(unobserved_per_impression=1.5, exposure_only=("position",))


@pytest.fixture(scope="module")
def table(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("table") / "table"
    build_table(features, CONFIG, DAYS, out)
    return out


def impressions(features: Path) -> pl.DataFrame:
    parts = [pl.read_parquet(partition(features / "rows", day), hive_partitioning=False) for day in DAYS.fit]
    return pl.concat(parts)


def sample(table: Path, split: str = "fit") -> dict[str, Array]:
    return open_columns(table / split / "unobserved")


def with_days(features: Path, table: Path) -> pl.DataFrame:
    """Return the sample's keys, each with the arrival and state day of the impression that lent its context."""
    keys = pl.DataFrame({name: np.array(sample(table)[name]) for name in ("user_id", "video_id", "event_time_ms")})
    lent = impressions(features).select("user_id", "event_time_ms", "arrival_day", "state_day", "scene").unique()
    return keys.with_row_index("row").join(lent, on=["user_id", "event_time_ms"], how="left")


def test_table_json_counts_the_population(features: Path, table: Path) -> None:
    rows = impressions(features)
    by_day = rows.group_by("arrival_day").agg(
        users=pl.col("user_id").n_unique(),
        videos=pl.col("video_id").n_unique(),
        shown=pl.struct("user_id", "video_id").n_unique(),
    )
    pairs, shown = int((by_day["users"] * by_day["videos"]).sum()), int(by_day["shown"].sum())
    expected = {"pairs": pairs, "observed": shown, "unobserved": pairs - shown, "sampled": round(1.5 * rows.height)}
    about = read_json(table / "table.json")["populations"]
    assert about["fit"] == expected
    assert set(about) == {"fit", "validation"}
    assert len(sample(table)["ids"]) == expected["sampled"]


def test_a_pair_of_the_sample_was_not_shown_and_could_have_been(features: Path, table: Path) -> None:
    rows, drawn = impressions(features), with_days(features, table)
    assert drawn.height == len(sample(table)["ids"])
    assert drawn["state_day"].null_count() == 0, "every context is that of an impression of the user"
    assert drawn.join(rows, on=["user_id", "video_id", "arrival_day"], how="semi").is_empty()
    pool = rows.select("video_id", "arrival_day").unique()
    assert drawn.join(pool, on=["video_id", "arrival_day"], how="semi").height == drawn.height


def test_days_are_drawn_in_proportion_to_their_pairs(features: Path, table: Path) -> None:
    drawn = with_days(features, table).group_by("arrival_day").len().sort("arrival_day")["len"].to_numpy()
    by_day = (
        impressions(features)
        .group_by("arrival_day")
        .agg(
            rest=pl.col("user_id").n_unique() * pl.col("video_id").n_unique()
            - pl.struct("user_id", "video_id").n_unique()
        )
    )
    rest = by_day.sort("arrival_day")["rest"].to_numpy()
    np.testing.assert_allclose(drawn, drawn.sum() * rest / rest.sum(), atol=1)


def test_features_are_those_of_the_user_and_of_the_video_on_that_day(features: Path, table: Path) -> None:
    """A pair reads what an impression of the user, and one of the video, read from the same day's state."""
    rows, columns = impressions(features), sample(table)
    preprocessor = Preprocessor.load(table / "preprocessor")
    names = preprocessor.normalisation.names
    drawn = with_days(features, table)
    checked = 0
    for owner in ("user", "video"):
        mine = [name for name in names if name.startswith(f"{owner}_")]
        assert mine
        known = rows.unique(["state_day", f"{owner}_id"]).select("state_day", f"{owner}_id", *mine)
        joined = drawn.join(known, on=["state_day", f"{owner}_id"], how="inner")
        expected = preprocessor.normalisation.apply(
            joined.select(pl.lit(None).alias(n) if n not in mine else n for n in names)
            .cast(pl.Float32)
            .fill_null(float("nan"))
            .to_numpy(writable=True)
        )
        for name in mine:
            place = names.index(name)
            np.testing.assert_array_equal(columns["dense"][joined["row"].to_numpy(), place], expected[:, place])
        checked += joined.height
    assert checked > 1.8 * drawn.height
    np.testing.assert_array_equal(np.array(columns["scene"])[drawn["row"].to_numpy()], drawn["scene"].to_numpy())


def test_histories_are_those_the_users_impressions_read(features: Path, table: Path) -> None:
    columns, stored = sample(table), open_columns(table / "fit/unobserved/history")
    fit, sequences = open_columns(table / "fit"), open_columns(table / "fit/history")
    place = {key: row for row, key in enumerate(zip(fit["user_id"], fit["event_time_ms"], strict=True))}
    for row in range(0, len(columns["ids"]), 29):
        lent = place[columns["user_id"][row], columns["event_time_ms"][row]]
        for name in stored:
            np.testing.assert_array_equal(
                stored[name][columns["history_index"][row]], sequences[name][fit["history_index"][lent]]
            )


def test_slots_are_drawn_evenly_and_nobody_logged_a_probability(table: Path) -> None:
    columns = sample(table)
    shares = np.bincount(columns["position"], minlength=9) / len(columns["position"])
    assert shares == pytest.approx([1 / 9] * 9, abs=0.03)
    assert np.isnan(columns["exposure_probability"]).all()
    assert not columns["random"].any()
    assert {"labels", "watch_s"}.isdisjoint(columns)
    assert set(open_columns(table / "fit")) - set(columns) == {"labels", "watch_s"}


def test_an_exposure_only_column_is_a_field_of_rows_and_pairs(features: Path, table: Path) -> None:
    preprocessor = Preprocessor.load(table / "preprocessor")
    assert "position" in [name for name, _ in preprocessor.schema.fields]
    for folder in ("fit", "fit/unobserved", "judge"):
        columns = open_columns(table / folder)
        np.testing.assert_array_equal(
            preprocessor.local_codes(columns["ids"], "position"), columns["position"].astype(np.int64) + 1
        )


def test_ordinary_nights_hold_no_sample_and_the_same_rows(features: Path, table: Path, tmp_path: Path) -> None:
    build_table(features, TableConfig(), DAYS, tmp_path / "off")
    build_table(features, TableConfig(unobserved_per_impression=0.1), DAYS, tmp_path / "on")
    assert not (tmp_path / "off/fit/unobserved").exists()
    assert read_json(tmp_path / "off/table.json")["populations"] == {}
    for name, values in open_columns(tmp_path / "off/fit").items():
        np.testing.assert_array_equal(values, open_columns(tmp_path / "on/fit")[name])


@pytest.mark.slow
def test_the_same_night_gives_the_same_bytes_in_chunks_of_any_size(features: Path, table: Path, tmp_path: Path) -> None:
    build_table(features, CONFIG, DAYS, tmp_path / "again")
    assert hash_tree(tmp_path / "again") == hash_tree(table)
    build_table(features, CONFIG, DAYS, tmp_path / "parts", chunk_rows=41)
    whole, parts = sample(table), sample(tmp_path / "parts")
    for name in set(whole) - {"dense", "history_index"}:
        np.testing.assert_array_equal(parts[name], whole[name])
    np.testing.assert_allclose(parts["dense"], whole["dense"], rtol=ulps(8), atol=ulps(8))


@pytest.mark.slow
def test_the_sample_of_the_fit_days_sees_no_later_day_and_no_label(
    own_features: Callable[[], Path], table: Path, tmp_path: Path
) -> None:
    changed = own_features()
    for day in (DAYS.validation, *DAYS.judge):
        rewrite_rows(
            changed, day, [pl.col("user_id") + 10_000, pl.col("duration_ms") * 3, pl.lit(2, pl.Int16).alias("scene")]
        )
    for day in DAYS.fit:
        rewrite_rows(changed, day, [pl.col("watch_ms") // 2, pl.lit(1, pl.Int8).alias("like")])
    build_table(changed, CONFIG, DAYS, tmp_path / "t")
    assert hash_tree(tmp_path / "t/fit/unobserved") == hash_tree(table / "fit/unobserved")
    assert hash_tree(tmp_path / "t/validation/unobserved") != hash_tree(table / "validation/unobserved")


def test_days_on_which_everything_was_shown_lend_no_pair(own_features: Callable[[], Path], tmp_path: Path) -> None:
    changed = own_features()
    for day in (*DAYS.fit, DAYS.validation):
        rewrite_rows(changed, day, pl.lit(3, pl.Int64).alias("user_id"))
    build_table(changed, CONFIG, DAYS, tmp_path / "t")
    about = read_json(tmp_path / "t/table.json")["populations"]["fit"]
    assert (about["unobserved"], about["sampled"]) == (0, 0)


def test_a_video_uploaded_later_than_its_context_is_shown_at_its_upload(
    own_features: Callable[[], Path], tmp_path: Path
) -> None:
    """Otherwise the age of a video, "not there yet", would tell that a pair was not shown."""
    changed = own_features()
    first = pl.concat(
        pl.read_parquet(partition(changed / "rows", day), hive_partitioning=False) for day in DAYS.fit
    ).group_by("video_id").agg(pl.col("event_time_ms").min())  # fmt: skip
    videos = pl.read_parquet(changed / "videos.parquet").join(first, on="video_id", how="left", maintain_order="left")
    videos.with_columns(upload_time_ms="event_time_ms").drop("event_time_ms").write_parquet(changed / "videos.parquet")
    build_table(changed, CONFIG, DAYS, tmp_path / "t")
    columns = sample(tmp_path / "t")
    uploads = dict(first.iter_rows())
    assert all(t >= uploads[v] for v, t in zip(columns["video_id"], columns["event_time_ms"], strict=True))


def test_a_pair_carries_what_its_chance_to_be_a_candidate_follows(features: Path, table: Path) -> None:
    """Impressions of its user by the policy, over the videos of the day."""
    rows, drawn = impressions(features), with_days(features, table)
    of_day = rows.group_by("arrival_day").agg(videos=pl.col("video_id").n_unique())
    of_user = rows.group_by("arrival_day", "user_id").agg(shown=(pl.col("policy") != "random").sum())
    joined = drawn.join(of_day, on="arrival_day").join(of_user, on=["arrival_day", "user_id"])
    expected = (joined["shown"] / joined["videos"]).to_numpy().astype(np.float32)
    assert len(set(expected.tolist())) > 3
    np.testing.assert_array_equal(np.array(sample(table)["candidate_rate"])[joined["row"].to_numpy()], expected)
    assert not (table / "fit/candidate_rate.npy").exists()
