import datetime as dt
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.core.days import Days
from tasks.core.errors import ConfigError, ContractError
from tasks.core.files import hash_tree, read_json
from tasks.core.layout import partition
from tasks.table.build import build_table
from tasks.table.columns import open_columns
from tasks.table.config import TableConfig
from tasks.table.preprocessor import Preprocessor
from tasks.table.source import FeatureFolder
from tasks.table.split import TASKS
from tests.table.small_night import DAYS, FEATURES, rewrite_rows
from tests.tolerance import ulps


@pytest.fixture(scope="module")
def table(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("table") / "table"
    build_table(features, TableConfig(), DAYS, out)
    return out


def rows_of(features: Path, days: tuple[dt.date, ...]) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(partition(features / "rows", day), hive_partitioning=False) for day in days)


def test_columns_hold_the_rows_of_the_days_in_order(features: Path, table: Path) -> None:
    for split, days in (("fit", DAYS.fit), ("validation", (DAYS.validation,)), ("judge", DAYS.judge)):
        rows, columns = rows_of(features, days), open_columns(table / split)
        np.testing.assert_array_equal(columns["user_id"], rows["user_id"])
        np.testing.assert_array_equal(columns["event_time_ms"], rows["event_time_ms"])
        truncated = np.minimum(rows["watch_ms"].to_numpy(), rows["duration_ms"].to_numpy()) / 1000
        np.testing.assert_array_equal(columns["watch_s"], truncated.astype(np.float32))
        np.testing.assert_array_equal(columns["labels"][:, TASKS.index("skip")], rows["skip"])
        np.testing.assert_array_equal(columns["random"], (rows["policy"] == "random").to_numpy())


def test_ids_are_rows_of_the_packed_table(features: Path, table: Path) -> None:
    preprocessor = Preprocessor.load(table / "preprocessor")
    schema, ids = preprocessor.schema, open_columns(table / "fit")["ids"]
    for column, (offset, (_, size)) in enumerate(zip(schema.offsets, schema.fields, strict=True)):
        assert ids[:, column].min() >= offset
        assert ids[:, column].max() < offset + size
    users = sorted(rows_of(features, DAYS.fit)["user_id"].unique().to_list())
    first = rows_of(features, DAYS.fit)["user_id"][0]
    assert preprocessor.local_codes(ids, "user_id")[0] == users.index(first) + 1


def test_duration_buckets_are_equal_counts_of_fit_rows(features: Path, tmp_path: Path) -> None:
    build_table(features, TableConfig(duration_buckets=4), DAYS, tmp_path / "t")
    preprocessor = Preprocessor.load(tmp_path / "t/preprocessor")
    codes = preprocessor.local_codes(open_columns(tmp_path / "t/fit")["ids"], "duration_quantile")
    shares = np.bincount(codes, minlength=6)[1:] / len(codes)
    assert shares[:4] == pytest.approx([0.25] * 4, abs=0.04)


def test_dense_features_are_standardised_on_fit_rows(features: Path, tmp_path: Path) -> None:
    build_table(features, TableConfig(unscaled=()), DAYS, tmp_path / "t")
    dense = open_columns(tmp_path / "t/fit")["dense"]
    assert np.abs(dense.mean(axis=0)).max() < 1e-3
    assert np.isin(np.round(dense.std(axis=0), 2), [0, 1]).mean() > 0.9


def test_the_duration_enters_on_its_own_scale(table: Path) -> None:
    columns = open_columns(table / "fit")
    names = Preprocessor.load(table / "preprocessor").normalisation.names
    np.testing.assert_allclose(
        columns["dense"][:, names.index("duration_log")], np.log1p(columns["duration_s"]) / 5, rtol=1e-5
    )


def test_every_row_reads_the_history_its_user_had(features: Path, table: Path) -> None:
    preprocessor, columns = Preprocessor.load(table / "preprocessor"), open_columns(table / "judge")
    stored = open_columns(table / "judge/history")
    rows = rows_of(features, DAYS.judge)
    frames = {day: pl.read_parquet(features / f"history/day={day}.parquet") for day in rows["state_day"].unique()}
    vocabulary = {v.field: v for v in preprocessor.vocabularies}["video_id"]
    offset = preprocessor.schema.offsets[[n for n, _ in preprocessor.schema.fields].index("video_id")]
    for row in range(0, rows.height, 17):
        history = frames[rows["state_day"][row]].filter(pl.col("user_id") == rows["user_id"][row])
        feedback = history["feedback"].to_list()[0] if history.height else []
        videos = history["video_id"].to_list()[0] if history.height else []
        length = FEATURES.history_length
        index = columns["history_index"][row]
        assert stored["feedback"][index].tolist() == [0] * (length - len(feedback)) + feedback
        expected = (vocabulary.encode(pl.Series(videos, dtype=pl.Int64)) + offset).tolist()
        assert stored["video_id"][index].tolist() == [offset] * (length - len(videos)) + expected


def test_histories_of_a_day_are_those_that_its_rows_read(features: Path) -> None:
    source, (day,) = FeatureFolder.open(features), DAYS.judge
    rows = rows_of(features, DAYS.judge)
    assert rows["state_day"].n_unique() > 1
    left_out = 0
    for (state_day,), of_state in rows.group_by("state_day"):
        assert isinstance(state_day, dt.date)
        everybody, found = source.past().histories(state_day), source.past(day).histories(state_day)
        assert everybody is not None and found is not None
        left_out += everybody.height - found.height
        assert found.equals(everybody.filter(pl.col("user_id").is_in(of_state["user_id"].implode())))
        assert found["user_id"].is_sorted()
    assert left_out


def test_sequences_are_stored_once_per_user_and_day(table: Path) -> None:
    columns, stored = open_columns(table / "fit"), open_columns(table / "fit/history")
    assert len(stored["feedback"]) < len(columns["ids"]) / 2
    assert columns["history_index"].max() == len(stored["feedback"]) - 1


def test_nothing_fitted_sees_the_validation_or_judge_day(
    features: Path, own_features: Callable[[], Path], table: Path, tmp_path: Path
) -> None:
    changed = own_features()
    for day in (DAYS.validation, *DAYS.judge):
        rewrite_rows(
            changed,
            day,
            [
                pl.col("user_id") + 10_000,
                pl.col("duration_ms") * 3,
                pl.col("user_decayed_ratio") * 100,
                pl.lit("new level").alias("activity"),
            ],
        )
    build_table(changed, TableConfig(), DAYS, tmp_path / "t")
    before, after = read_json(table / "table.json")["hashes"], read_json(tmp_path / "t/table.json")["hashes"]
    assert before["preprocessor"] == after["preprocessor"]
    assert before["fit"] == after["fit"]
    assert before["validation"] != after["validation"]
    assert (open_columns(tmp_path / "t/judge")["ids"][:, 0] == 0).all()


@pytest.mark.slow
def test_chunks_change_nothing(features: Path, table: Path, tmp_path: Path) -> None:
    build_table(features, TableConfig(), DAYS, tmp_path / "t", chunk_rows=37)
    whole, parts = open_columns(table / "fit"), open_columns(tmp_path / "t/fit")
    for name in whole:
        if name == "dense":
            np.testing.assert_allclose(parts[name], whole[name], rtol=ulps(8), atol=ulps(8))
        elif name != "history_index":
            np.testing.assert_array_equal(parts[name], whole[name])
    sequences, in_parts = open_columns(table / "fit/history"), open_columns(tmp_path / "t/fit/history")
    for name in sequences:
        np.testing.assert_array_equal(in_parts[name][parts["history_index"]], sequences[name][whole["history_index"]])


def test_two_processes_write_the_same_bytes(features: Path, table: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.table.small_night import DAYS;"
        "from tasks.table.build import build_table; from tasks.table.config import TableConfig;"
        "build_table(Path(sys.argv[1]), TableConfig(), DAYS, Path(sys.argv[2]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(features), str(tmp_path / "t")], check=True, cwd=Path(__file__).parents[2]
    )
    assert hash_tree(tmp_path / "t") == hash_tree(table)


def test_a_preprocessor_comes_back_as_it_was_saved(table: Path, tmp_path: Path) -> None:
    Preprocessor.load(table / "preprocessor").save(tmp_path / "again")
    assert hash_tree(tmp_path / "again") == hash_tree(table / "preprocessor")


def test_labels_not_known_at_the_cutoff_are_left_out(own_features: Callable[[], Path], tmp_path: Path) -> None:
    changed = own_features()
    tomorrow = dt.datetime(2024, 3, 30, tzinfo=dt.UTC).timestamp() * 1000
    late = pl.when(pl.int_range(pl.len()) < 10).then(int(tomorrow)).otherwise(pl.col("known_at_ms"))
    rewrite_rows(changed, DAYS.fit[0], late.alias("known_at_ms"))
    result = build_table(changed, TableConfig(), DAYS, tmp_path / "t")
    assert result.late == {"fit": 10, "validation": 0, "judge": 0}


def test_the_named_fields_and_features_alone_are_encoded(features: Path, tmp_path: Path) -> None:
    config = TableConfig(categorical=("video_id", "scene"), dense=("duration_log",))
    build_table(features, config, DAYS, tmp_path / "t")
    schema = Preprocessor.load(tmp_path / "t/preprocessor").schema
    assert [name for name, _ in schema.fields] == ["video_id", "scene", "duration_quantile"]
    assert schema.num_dense == 1
    assert schema.history_fields == ("video_id", "scene")


def test_the_untruncated_label(features: Path, tmp_path: Path) -> None:
    build_table(features, TableConfig(truncate_watch=False), DAYS, tmp_path / "t")
    watch = open_columns(tmp_path / "t/judge")["watch_s"]
    assert (watch > open_columns(tmp_path / "t/judge")["duration_s"]).any()


@pytest.mark.parametrize("field", ["categorical", "dense"])
def test_an_unknown_field_is_named(features: Path, tmp_path: Path, field: str) -> None:
    with pytest.raises(ConfigError, match=rf"table\.{field} names no_such.*offers"):
        build_table(features, TableConfig(**{field: ("no_such",)}), DAYS, tmp_path / "t")


def test_a_missing_column_is_named_and_nothing_is_written(own_features: Callable[[], Path], tmp_path: Path) -> None:
    changed = own_features()
    path = partition(changed / "rows", DAYS.validation)
    pl.read_parquet(path, hive_partitioning=False).drop("user_decayed_ratio").write_parquet(path)
    with pytest.raises(ContractError, match=r"lacks the column\(s\) user_decayed_ratio"):
        build_table(changed, TableConfig(), DAYS, tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_a_missing_day_is_named(features: Path, tmp_path: Path) -> None:
    days = Days(DAYS.fit, DAYS.validation, (dt.date(2024, 4, 1),), DAYS.lookback)
    with pytest.raises(ContractError, match="has not built 2024-04-01"):
        build_table(features, TableConfig(), days, tmp_path / "t")


def test_an_empty_validation_day_is_an_error(own_features: Callable[[], Path], tmp_path: Path) -> None:
    changed = own_features()
    path = partition(changed / "rows", DAYS.validation)
    pl.read_parquet(path, hive_partitioning=False).head(0).write_parquet(path)
    with pytest.raises(ContractError, match=r"the validation days .* hold no row"):
        build_table(changed, TableConfig(), DAYS, tmp_path / "t")


def test_a_row_without_duration_is_an_error(own_features: Callable[[], Path], tmp_path: Path) -> None:
    changed = own_features()
    rewrite_rows(changed, DAYS.judge[0], pl.lit(0, dtype=pl.Int64).alias("duration_ms"))
    with pytest.raises(ContractError, match="no positive duration_ms"):
        build_table(changed, TableConfig(), DAYS, tmp_path / "t")


def test_a_folder_without_features_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="run the features stage first"):
        build_table(tmp_path, TableConfig(), DAYS, tmp_path / "t")


def test_a_rebuilt_table_replaces_the_old_one(features: Path, table: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(table, tmp_path / "t"))
    (out / "stale").write_text("from an earlier night")
    build_table(features, TableConfig(), DAYS, out)
    assert hash_tree(out) == hash_tree(table)
