"""The table made day by day by workers of a cluster: the bytes of one pass, whatever it holds and whoever dies meanwhile."""

import json
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.core.cluster import HERE, LocalCluster, one_after_the_other
from tasks.core.files import hash_tree
from tasks.core.layout import partition
from tasks.features.config import FeatureConfig
from tasks.table.build import build_table
from tasks.table.candidate_log import CandidateLog
from tasks.table.columns import ColumnsWriter, open_columns
from tasks.table.config import TableConfig
from tasks.table.history import HISTORY, HISTORY_INDEX
from tasks.table.items.config import CodedItems, CoWatchVectors
from tasks.table.normalisation import MomentAccumulator
from tasks.table.over_days import ByDay, Work, _Part, _write_part, join_columns
from tests.table.small_night import DAYS, FEATURES, write_features

CONFIG = TableConfig(
    unobserved_per_impression=0.7,
    exposure_only=("position",),
    items=CodedItems(kind="rq", codewords=4, videos_per_codeword=5, vectors=CoWatchVectors(width=3)),
)
"""Asks for everything that is read of days: levels, moments, durations, watched pairs, rows, and pairs that were not shown."""


@pytest.fixture(scope="module")
def long_histories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = FeatureConfig(groups=FEATURES.groups, history_length=5, content=True)
    return write_features(tmp_path_factory.mktemp("night"), config=config)


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bytes(long_histories: Path, tmp_path: Path) -> None:
    """Chunks are small, so that days have several and moments are merged across the bounds of days."""
    for name, cluster in (("here", HERE), ("there", LocalCluster(workers=2))):
        build_table(long_histories, CONFIG, DAYS, tmp_path / name, chunk_rows=97, cluster=cluster)
    assert hash_tree(tmp_path / "there") == hash_tree(tmp_path / "here")
    assert len(open_columns(tmp_path / "there/fit/history")["gap"]) > 100
    assert {path.name for path in tmp_path.iterdir()} == {"here", "there"}, "no part is left"


@pytest.mark.slow
def test_so_it_does_with_candidates_of_the_log_and_a_worker_that_dies(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is killed in the middle of a day, whose columns lie half written: another one makes that day again."""
    raw = tmp_path / "raw"
    for day in DAYS.fit[:2]:
        rows = pl.read_parquet(partition(features / "rows", day), hive_partitioning=False)
        asked = rows.select("user_id", "event_time_ms", "known_at_ms", "scene", "duration_ms", "position").head(50)
        path = raw / f"candidates/day={day}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        asked.with_columns(video_id=pl.lit(79, dtype=pl.Int64)).write_parquet(path)
    (raw / "source.json").write_text(json.dumps({"candidates": {str(day): "hash" for day in DAYS.fit[:2]}}))
    config = TableConfig(unobserved_per_impression=0.1)
    log = CandidateLog.of(raw)
    build_table(features, config, DAYS, tmp_path / "here", chunk_rows=97, candidates=log)
    with monkeypatch.context() as patched:
        patched.setattr("tasks.table.over_days._write_part", partial(die_once, tmp_path / "died", _write_part))
        build_table(
            features, config, DAYS, tmp_path / "there", chunk_rows=97, candidates=log, cluster=LocalCluster(workers=2)
        )
    assert (tmp_path / "died").read_text() == DAYS.fit[1].isoformat()
    assert hash_tree(tmp_path / "there") == hash_tree(tmp_path / "here")


def die_once(mark: Path, write: Callable[[_Part], Any], part: _Part) -> Any:
    """Write a part; the first time that it is the second day, write half of it and die."""
    if part.item == DAYS.fit[1] and not mark.exists():
        mark.write_text(part.item.isoformat())
        part.folder.mkdir(parents=True)
        (part.folder / "ids.npy").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    return write(part)


def test_a_day_without_rows_is_joined_like_any_other(tmp_path: Path) -> None:
    sizes = [(3, 2), (0, 0), (2, 0), (4, 3)]

    def write(items: Sequence[int], folder: Path) -> list[int]:
        said, before = [], 0
        with ColumnsWriter(folder) as rows, ColumnsWriter(folder / HISTORY) as sequences:
            sequences.append({"gap": np.zeros((1, 2), dtype=np.uint8)})
            for item in items:
                count, own = sizes[item]
                if count:
                    reads = np.minimum(np.arange(count), own)
                    index = np.where(reads > 0, reads + before, 0).astype(np.int32)
                    rows.append({"user_id": np.full(count, item), HISTORY_INDEX: index})
                if own:
                    sequences.append({"gap": np.full((own, 2), item + 1, dtype=np.uint8)})
                before += own
                said.append(count)
        return said

    work = Work(write, [*range(len(sizes))], tmp_path / "there", lambda item: ())
    assert ByDay(one_after_the_other, tmp_path / "scratch").columns([work]) == [[3, 0, 2, 4]]
    write(range(len(sizes)), tmp_path / "here")
    assert hash_tree(tmp_path / "there") == hash_tree(tmp_path / "here")
    for order in ([0, 2, 1, 3], [3, 1, 2, 0]):
        parts = [tmp_path / f"part {number}" for number in order]
        for number, part in zip(order, parts, strict=True):
            write([number], part)
        join_columns(parts, tmp_path / "joined")
        same = hash_tree(tmp_path / "joined") == hash_tree(tmp_path / "here")
        assert same is (order[0] == 0), "days without rows may stand anywhere, others may not"


def test_moments_are_merged_chunk_by_chunk_for_a_day_at_a_time_gives_other_bits() -> None:
    values = np.random.default_rng(0).normal(1e3, 3, (60, 7, 5))
    one_pass, by_day, of_days = (MomentAccumulator(list("abcde")) for _ in range(3))
    for day in np.split(values, 4):
        read = MomentAccumulator(list("abcde"))
        for chunk in day:
            one_pass.add(chunk)
            read.add(chunk)
        by_day.add_array(read.to_array())
        of_days.add(day.reshape(-1, 5))
    expected, found, wrong = (of.normalisation(10.0) for of in (one_pass, by_day, of_days))
    assert found.mean.tobytes() == expected.mean.tobytes() and found.scale.tobytes() == expected.scale.tobytes()
    np.testing.assert_allclose(wrong.scale, expected.scale, rtol=1e-9)
    assert wrong.scale.tobytes() != expected.scale.tobytes()
