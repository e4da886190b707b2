"""The parts of a change add up, stand where the change was made, and have the gate's interval where the rows are the same."""

import datetime as dt
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.evaluate.catalogue import CHANGED
from tasks.evaluate.change import Chain, Link, chained, decompose
from tasks.evaluate.compare import compare
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.evaluation import measure
from tests.evaluate.conftest import TableWriter, make_table

CONFIG = EvaluationConfig(replicates=200)
POINT = CONFIG.model_copy(update={"replicates": 2, "segments": ()})
"""For values whose interval nobody reads."""
NIGHTS = dt.date(2022, 5, 1), dt.date(2022, 5, 2)


def chain(before: Path, *links: Link) -> Chain:
    return Chain(*NIGHTS, before, links)


def noisier(frame: pl.DataFrame, noise: float) -> pl.DataFrame:
    extra = np.random.default_rng(5).normal(0, noise, frame.height)
    return frame.with_columns(score_s0=pl.col("score_s0") + extra, watch_median_s0=pl.col("watch_median_s0") * 1.1)


@pytest.fixture
def days() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two days; half of the second day's people were there on the first."""
    later = make_table(seed=1, day=["2022-05-02"] * 3000)
    return make_table(), later.with_columns(user_id=pl.col("user_id") + 200)


@pytest.mark.slow
def test_parts_add_up_to_the_difference_of_the_headlines(
    write_table: TableWriter, days: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    before, same = days
    older, served = noisier(same, 0.8), noisier(same, 0.3)
    paths = [write_table(name, frame) for name, frame in zip("bosv", (before, older, same, served), strict=True)]
    found = decompose(chain(paths[0], *chained(paths[1], paths[2], paths[3])), CONFIG)
    assert found.keys() == set(CHANGED)
    for name, change in found.items():
        alone = [measure(path, POINT, name="m").metric(name).value for path in (paths[0], paths[3])]
        assert [change.before.value, change.after.value] == pytest.approx(alone, rel=1e-12)
        parts = dict(change.parts)
        assert list(parts) == ["data", "features", "model"]
        assert sum(part.value for part in parts.values()) == pytest.approx(change.total.value, rel=0, abs=1e-12)
        assert change.total.value == change.after.value - change.before.value
    parts = dict(found["xauc"].parts)
    assert parts["features"].low > 0, "this morning's features are less noisy than those of the morning before"
    assert parts["model"].high < 0, "what serves is noisier than what served"


def test_a_part_of_one_day_s_rows_is_the_gate_s_paired_difference(
    write_table: TableWriter, days: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    same = days[1]
    reference, candidate = write_table("r", same), write_table("c", noisier(same, 0.5))
    found = decompose(chain(reference, Link("model", candidate)), CONFIG)
    gate = compare([candidate], [reference], CONFIG).metrics
    for name in ("xauc", "xgauc", "mae"):
        (_, part) = found[name].parts[0]
        expected = gate[name]
        assert (part.value, part.standard_error) == pytest.approx((expected.value, expected.standard_error), rel=1e-9)
        assert (part.low, part.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_what_did_not_change_adds_nothing_for_sure(
    write_table: TableWriter, days: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    before, same = (write_table(name, frame) for name, frame in zip("bs", days, strict=True))
    found = decompose(chain(before, *chained(None, same, same)), CONFIG)
    assert [part for part, _ in found["xauc"].parts] == ["data and features", "model"]
    assert all(
        (part.value, part.low, part.high) == (0, 0, 0) for change in found.values() for _, part in change.parts[1:]
    )


def test_days_without_common_people_are_independent(write_table: TableWriter) -> None:
    """Their variances then add."""
    first = make_table()
    second = make_table(seed=1).with_columns(user_id=pl.col("user_id") + 10_000)
    paths = [write_table(name, frame) for name, frame in zip("fs", (first, second), strict=True)]
    found = decompose(chain(paths[0], Link("data", paths[1])), CONFIG)["xauc"]
    alone = [found.before.standard_error, found.after.standard_error]
    assert found.total.standard_error == pytest.approx(math.hypot(*alone), rel=0.01)


def test_a_metric_that_one_table_does_not_define_is_left_out(write_table: TableWriter) -> None:
    first, second = make_table(), make_table(seed=1).drop("p_like_s0")
    paths = [write_table(name, frame) for name, frame in zip("fs", (first, second), strict=True)]
    found = decompose(chain(paths[0], Link("data", paths[1])), CONFIG)
    assert found.keys() == set(CHANGED) - {"auc_like"}
