"""Codes of past events: those that the same video has as a candidate, under the catalogue of the night that is read."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.core.errors import ConfigError
from tasks.core.files import hash_file, hash_tree, read_json, write_json
from tasks.core.layout import partition
from tasks.table.build import build_table
from tasks.table.columns import open_columns
from tasks.table.config import TableConfig
from tasks.table.past import Past
from tasks.table.preprocessor import Preprocessor
from tasks.table.source import FeatureFolder
from tests.table.items.conftest import CODED
from tests.table.small_night import DAYS, FEATURES

WITH_HISTORY = CODED.model_copy(update={"history": True})
FIELDS = ("content_1", "content_2")
NEW = 1000


def of_events(table: Path) -> Preprocessor:
    """Return what encoded a table, as it would be had it been asked for codes of past events."""
    found = Preprocessor.load(table / "preprocessor")
    assert found.items is not None
    return replace(found, items=replace(found.items, of_events=True))


@pytest.fixture(scope="module")
def past(features: Path) -> Past:
    return FeatureFolder.open(features).past(kept=1)


@pytest.fixture(scope="module")
def histories(past: Past) -> pl.DataFrame:
    """Those of the judge day, of some users shorter than a sequence."""
    found = past.histories(DAYS.judge[0])
    assert found is not None
    events = pl.when(pl.col("user_id") < 9).then(2).otherwise(FEATURES.history_length)
    return found.with_columns(pl.exclude("user_id").list.tail(events))


@pytest.fixture(scope="module")
def table(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("of_events") / "table"
    build_table(features, TableConfig(items=WITH_HISTORY), DAYS, folder)
    return folder


def by_slot(values: pl.Series, pad: int) -> np.ndarray:
    """Return lists as a matrix, the newest event last, one by one."""
    length = FEATURES.history_length
    kept = [list(of_user)[-length:] for of_user in values]
    return np.array([[pad] * (length - len(of_user)) + of_user for of_user in kept])


@pytest.mark.parametrize("kind", ["rq", "prefix", "bigram", "bpe", "shuffled"])
def test_an_event_has_the_codes_of_its_video_as_a_candidate(
    tables: dict[str, Path], features: Path, past: Past, histories: pl.DataFrame, kind: str
) -> None:
    preprocessor = of_events(tables[kind])
    assert preprocessor.items is not None
    names = [name for name, _ in preprocessor.items.fields]
    source = FeatureFolder.open(features)
    rows = pl.concat(chunk for day in DAYS.fit for chunk in source.chunks(day, preprocessor.row_columns))
    ids, videos = preprocessor.encode(rows, "rows")["ids"], rows["video_id"].to_list()
    encoded, schema = preprocessor.encode_history(histories, past), preprocessor.schema
    assert schema.history_fields[-len(names) :] == tuple(names)
    event_BL = by_slot(histories["video_id"], -1)
    assert (event_BL == -1).any() and np.isin(event_BL[event_BL >= 0], videos).all()
    for name in names:
        column = schema.names.index(name)
        of_video = dict(zip(videos, ids[:, column], strict=True)) | {-1: schema.offsets[column]}
        np.testing.assert_array_equal(encoded[name], np.vectorize(of_video.get)(event_BL))
        assert len(np.unique(encoded[name])) > 3


def test_a_video_that_came_later_has_its_codes_and_one_that_nobody_describes_has_none(
    tables: dict[str, Path], past: Past, histories: pl.DataFrame
) -> None:
    """A champion reads the histories of a later night by the catalogue of that night."""
    preprocessor = of_events(tables["rq"])
    old = past.catalogue(("video_id", "content_vector"))
    later = Past(past.histories, lambda _: pl.concat([old, old.with_columns(pl.col("video_id") + NEW)]))
    moved = histories.with_columns(pl.col("video_id").list.eval(pl.element() + NEW))
    before, after, unknown = (
        preprocessor.encode_history(*of) for of in ((histories, past), (moved, later), (moved, past))
    )
    schema = preprocessor.schema
    first = dict(zip(schema.names, schema.offsets, strict=True))
    for name in FIELDS:
        np.testing.assert_array_equal(after[name], before[name])
        assert (unknown[name] == first[name]).all() and (before[name] != first[name]).mean() > 0.5
    assert (after["video_id"] == first["video_id"]).all()
    empty = preprocessor.empty_history()
    assert all((empty[name] == first[name]).all() and empty[name].shape == (1, 5) for name in FIELDS)


def test_a_table_of_them_differs_by_the_columns_that_it_adds(tables: dict[str, Path], table: Path) -> None:
    for split in ("fit", "validation", "judge"):
        hashes, without = (
            {str(p.relative_to(f)): hash_file(p) for p in f.rglob("*.npy")}
            for f in (table / split, tables["rq"] / split)
        )
        assert set(hashes) - set(without) == {f"history/{name}.npy" for name in FIELDS}
        assert {name: hashes[name] for name in without} == without
    with_codes, plain = (Preprocessor.load(folder / "preprocessor") for folder in (table, tables["rq"]))
    assert with_codes.tokenizer == plain.tokenizer
    assert with_codes.schema.fields == plain.schema.fields
    assert with_codes.schema.history_fields == (*plain.schema.history_fields, *FIELDS)
    assert "history" not in read_json(tables["rq"] / "preprocessor/items/items.json")
    assert "history" not in read_json(tables["rq"] / "table.json")["config"]["items"]


def test_what_was_saved_encodes_events_alike(
    table: Path, tables: dict[str, Path], past: Past, histories: pl.DataFrame, tmp_path: Path
) -> None:
    Preprocessor.load(table / "preprocessor").save(tmp_path / "again")
    assert hash_tree(tmp_path / "again") == hash_tree(table / "preprocessor")
    expected = of_events(tables["rq"]).encode_history(histories, past)
    for name, values in Preprocessor.load(tmp_path / "again").encode_history(histories, past).items():
        np.testing.assert_array_equal(values, expected[name])


def test_codes_stand_without_a_row_of_the_video(features: Path, tmp_path: Path) -> None:
    build_table(features, TableConfig(categorical=("user_id",), items=WITH_HISTORY), DAYS, tmp_path / "t")
    preprocessor = Preprocessor.load(tmp_path / "t/preprocessor")
    assert (preprocessor.schema.history_fields, preprocessor.event_columns) == (FIELDS, ("video_id",))
    judge = open_columns(tmp_path / "t/judge")
    assert (judge["history_index"] > 0).mean() > 0.5
    assert set(open_columns(tmp_path / "t/judge/history")) == {"feedback", "ratio", "gap", *FIELDS}


def test_histories_without_videos_are_refused(features: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(features, tmp_path / "features"))
    about = read_json(other / "schema.json")
    about["history"]["fields"] = ["tag", "scene"]
    write_json(other / "schema.json", about)
    with pytest.raises(
        ConfigError, match=r"items\.history reads the video_id of past events, and those of .* carry tag, scene: run"
    ):
        build_table(other, TableConfig(items=WITH_HISTORY), DAYS, tmp_path / "t")
    assert partition(other / "rows", DAYS.judge[0]).is_file() and not (tmp_path / "t").exists()
