"""Codes from the features to the table: which videos they are learned from, who gets them, and who is refused."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.core.errors import ConfigError, ContractError
from tasks.core.files import hash_tree, read_json
from tasks.core.layout import partition
from tasks.features.candidates import candidates
from tasks.features.side_tables import write_side_tables
from tasks.table.build import build_table
from tasks.table.columns import open_columns
from tasks.table.config import TableConfig
from tasks.table.items.config import ClusterTokenizer, TreeTokenizer
from tasks.table.preprocessor import Preprocessor
from tests.table.items.conftest import CODED, coded
from tests.table.small_night import DAYS, FEATURES, VIDEOS, rewrite_rows, write_features, write_validated

NEW = 1000
TOKENIZER = {"tree": TreeTokenizer(), "cluster": ClusterTokenizer()}


def local_codes(table: Path, split: str, field: str) -> np.ndarray:
    preprocessor = Preprocessor.load(table / "preprocessor")
    return preprocessor.local_codes(open_columns(table / split)["ids"], field)


@pytest.fixture(scope="module")
def with_later(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The features of a night on whose judge day other videos are shown, each with the content of an old one."""
    changed = Path(shutil.copytree(features, tmp_path_factory.mktemp("later") / "features"))
    rewrite_rows(changed, DAYS.judge[0], pl.col("video_id") + NEW)
    old = pl.read_parquet(changed / "videos.parquet")
    pl.concat([old, old.with_columns(pl.col("video_id") + NEW)]).write_parquet(changed / "videos.parquet")
    return changed


def test_rows_of_every_split_have_the_codes_of_their_video(features: Path, tables: dict[str, Path]) -> None:
    codes = Preprocessor.load(tables["rq"] / "preprocessor").items
    assert codes is not None
    videos = pl.read_parquet(features / "videos.parquet")
    expected = np.zeros((VIDEOS, 2), dtype=np.int64)
    known = videos.drop_nulls("content_vector")
    expected[known["video_id"].to_numpy()] = codes.tokenizer.encode(np.array(known["content_vector"].to_list())) + 1
    assert (expected == 0).any() and len(np.unique(expected[:, 0])) == CODED.codewords + 1
    for split in ("fit", "validation", "judge"):
        video = open_columns(tables["rq"] / split)["video_id"]
        for level in (1, 2):
            found = local_codes(tables["rq"], split, f"content_{level}")
            np.testing.assert_array_equal(found, expected[video, level - 1])


def test_codes_are_beside_everything_else(features: Path, tables: dict[str, Path], tmp_path: Path) -> None:
    build_table(features, TableConfig(), DAYS, tmp_path / "t")
    without, with_codes = open_columns(tmp_path / "t/judge"), open_columns(tables["rq"] / "judge")
    np.testing.assert_array_equal(with_codes["ids"][:, :-2], without["ids"])
    assert "items" not in read_json(tmp_path / "t/table.json")["config"]
    assert not (tmp_path / "t/preprocessor/items").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rq", "prefix", "shuffled"])
def test_a_later_video_has_codes_and_changes_none(
    with_later: Path, tables: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    build_table(with_later, coded(kind), DAYS, tmp_path / "t")
    assert hash_tree(tmp_path / "t/preprocessor") == hash_tree(tables[kind] / "preprocessor")
    assert hash_tree(tmp_path / "t/fit") == hash_tree(tables[kind] / "fit")
    schema = Preprocessor.load(tables[kind] / "preprocessor").schema
    assert (local_codes(tmp_path / "t", "judge", "video_id") == 0).all()
    for field, _ in schema.fields[-2:]:
        before, later = (local_codes(table, "judge", field) for table in (tables[kind], tmp_path / "t"))
        assert (later[before > 0] > 0).all() and (later[before == 0] == 0).all()
        assert ((before == later).mean() < 0.6) if kind == "shuffled" else (before == later).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tree", "cluster"])
def test_codes_carry_what_content_does_to_videos_nobody_has_seen_and_those_of_others_do_not(
    with_later: Path, tmp_path: Path, kind: str
) -> None:
    """Of a judge day of new videos, whose first content number moves watch time, the fit rows' mean by code tells."""
    told = {}
    for control in (None, "shuffled"):
        levels = 1 if kind == "cluster" else 2
        items = CODED.model_copy(update={"tokenizer": TOKENIZER[kind], "levels": levels, "control": control})
        table = tmp_path / str(control)
        build_table(with_later, TableConfig(items=items), DAYS, table)
        field = f"content_{levels}"
        fit, judge = (local_codes(table, split, field) for split in ("fit", "judge"))
        share = [open_columns(table / split) for split in ("fit", "judge")]
        fit_ratio, judge_ratio = (of["watch_s"] / of["duration_s"] for of in share)
        sums, rows = (np.bincount(fit, weights, fit.max() + 1) for weights in (fit_ratio, None))
        known = judge > 0
        told[control] = np.corrcoef((sums / np.maximum(rows, 1))[judge[known]], judge_ratio[known])[0, 1]
    assert told[None] > 0.25 and abs(told["shuffled"]) < 0.15, told


def test_a_bundle_encodes_candidates_of_later_videos(with_later: Path, tables: dict[str, Path]) -> None:
    day = DAYS.judge[0]
    judged = pl.read_parquet(partition(with_later / "rows", day), hive_partitioning=False)
    asked = judged.filter(pl.col("state_day") == judged["state_day"].max())
    rows = asked.select("user_id", "video_id", "scene", "event_time_ms", "duration_ms", "known_at_ms", "position")
    state = asked["state_day"][0]
    frame = candidates(with_later, rows.lazy(), state).collect()
    preprocessor = Preprocessor.load(tables["prefix"] / "preprocessor")
    encoded = preprocessor.encode(frame, "candidates")["ids"]
    old = preprocessor.encode(frame.with_columns(pl.col("video_id") - NEW), "candidates")["ids"]
    np.testing.assert_array_equal(encoded[:, -2:], old[:, -2:])
    assert len(np.unique(encoded[:, -1])) > 8


@pytest.mark.slow
def test_the_tokenizer_is_learned_from_videos_of_the_fit_days_alone(features: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(features, tmp_path / "features"))
    for day in DAYS.fit:
        path = partition(changed / "rows", day)
        rows = pl.read_parquet(path, hive_partitioning=False)
        rows.filter(pl.col("video_id") < 60).write_parquet(path)
    build_table(changed, coded("rq"), DAYS, tmp_path / "before")
    videos = pl.read_parquet(changed / "videos.parquet")
    shouted = pl.when(pl.col("video_id") < 60).then("content_vector").otherwise(pl.col("content_vector") * 50)
    videos.with_columns(shouted).write_parquet(changed / "videos.parquet")
    build_table(changed, coded("rq"), DAYS, tmp_path / "after")
    assert hash_tree(tmp_path / "after/preprocessor") == hash_tree(tmp_path / "before/preprocessor")
    moved = [local_codes(tmp_path / name, "judge", "content_1") for name in ("before", "after")]
    assert (moved[0] != moved[1]).any()


def test_codes_and_report_lie_beside_the_table(with_later: Path, tmp_path: Path) -> None:
    build_table(with_later, coded("rq"), DAYS, tmp_path / "t")
    codes = pl.read_parquet(tmp_path / "t/items/item_codes.parquet")
    assert codes.columns == ["video_id", "fitted", "level_1", "level_2"]
    assert codes["fitted"].to_list() == [video < NEW for video in codes["video_id"]]
    report = read_json(tmp_path / "t/items/codebook_report.json")
    learned = codes.filter("fitted")
    assert (report["videos"], report["later"], report["without_vector"]) == (76, 76, 8)
    counts = learned.group_by("level_1", "level_2").len()
    assert report["distinct"] == counts.height
    assert report["shared"] == pytest.approx(counts.filter(pl.col("len") > 1)["len"].sum() / 76)
    first = report["levels"][0]
    share = learned["level_1"].value_counts()["count"].to_numpy() / 76
    assert (first["codewords"], first["used"]) == (8, len(share))
    assert first["perplexity"] == pytest.approx(np.prod(share**-share))
    assert first["error"] == pytest.approx(first["error_later"])
    assert report["levels"][1]["error"] < first["error"] < 1


@pytest.mark.slow
def test_two_builds_write_the_same_bytes_and_a_saved_tokenizer_comes_back(
    features: Path, tables: dict[str, Path], tmp_path: Path
) -> None:
    build_table(features, coded("prefix"), DAYS, tmp_path / "t", chunk_rows=53)
    assert hash_tree(tmp_path / "t/items") == hash_tree(tables["prefix"] / "items")
    preprocessor = Preprocessor.load(tables["prefix"] / "preprocessor")
    preprocessor.save(tmp_path / "again")
    assert hash_tree(tmp_path / "again/items") == hash_tree(tables["prefix"] / "preprocessor/items")
    assert Preprocessor.load(tmp_path / "again").tokenizer == preprocessor.tokenizer
    ids = [Preprocessor.load(table / "preprocessor").tokenizer for table in tables.values()]
    assert len(set(ids)) == len(ids) and None not in ids


@pytest.mark.slow
def test_content_that_features_leave_out_is_asked_for(tmp_path: Path) -> None:
    plain = write_features(tmp_path)
    assert "content_vector" not in pl.read_parquet_schema(plain / "videos.parquet")
    with pytest.raises(ConfigError, match=r"which .*videos.parquet lacks: set features.content: true"):
        build_table(plain, coded("rq"), DAYS, tmp_path / "t")


def test_too_few_videos_are_no_codebook(features: Path, tmp_path: Path) -> None:
    config = TableConfig(items=CODED.model_copy(update={"videos_per_codeword": 40}))
    with pytest.raises(ContractError, match=r"76 videos of the fit days have content, and table\.items needs 80"):
        build_table(features, config, DAYS, tmp_path / "t")


def test_content_of_another_width_is_refused(features: Path, tables: dict[str, Path]) -> None:
    preprocessor = Preprocessor.load(tables["rq"] / "preprocessor")
    rows = pl.read_parquet(partition(features / "rows", DAYS.judge[0]), hive_partitioning=False).head(3)
    longer = rows.with_columns(content_vector=pl.lit([1.0] * 5, dtype=pl.List(pl.Float32)))
    with pytest.raises(ContractError, match=r"the rows: the content of video \d+ has 5 numbers and not 3"):
        preprocessor.encode(longer, "the rows")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            pl.col("content").list.eval(pl.element() / 0),
            ContractError,
            r"the content of 76 videos holds null or infinite",
        ),
        (pl.lit("text").alias("content"), ConfigError, r"has no column content of vectors"),
    ],
)
def test_a_catalogue_without_usable_vectors_is_refused(
    tmp_path: Path, change: pl.Expr, error: type[Exception], message: str
) -> None:
    validated = write_validated(tmp_path / "validated", 50)
    path = validated / "videos.parquet"
    pl.read_parquet(path).with_columns(change).write_parquet(path)
    with pytest.raises(error, match=message):
        write_side_tables(validated, tmp_path, FEATURES.model_copy(update={"content": True}), [])
