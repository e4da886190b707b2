"""What is planted is found, what is equal is not, nights are pooled as the gate pools them."""

import math
from itertools import groupby
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.compare.differences import ModelComparison, Pair, compare_models, pooled
from tasks.compare.words import verdict
from tasks.core.predictions import bound_metadata
from tasks.evaluate.compare import compare
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.gate.evidence_process import variance_of_sum
from tests.compare.conftest import predicted
from tests.registry.conftest import day

CONFIG = EvaluationConfig(replicates=100, minimum_segment_rows=50)


def pair(folder: Path, number: int, noises: tuple[float, float]) -> Pair:
    as_of = day(number)
    paths = [
        predicted(folder / f"{number}-{side}.parquet", as_of, noise, draw=side) for side, noise in enumerate(noises)
    ]
    return Pair(as_of, *paths)


def compared(folder: Path, noises: tuple[float, float], nights: int = 1) -> ModelComparison:
    return compare_models(("new", "old"), [pair(folder, number, noises) for number in range(1, nights + 1)], CONFIG)


def verdicts(found: ModelComparison) -> set[str]:
    everything = [*found.metrics.items(), *(item for part in found.segments for item in part.metrics.items())]
    return {verdict(name, one, found.alpha) for name, one in everything}


def test_one_night_has_the_numbers_of_the_gate(tmp_path: Path) -> None:
    one = pair(tmp_path, 1, (0.0, 1.0))
    found = compare_models(("new", "old"), [one], CONFIG)
    gates = compare([one.candidate], [one.reference], CONFIG).metrics
    assert found.metrics.keys() == gates.keys()
    for name, metric in found.metrics.items():
        shown = (metric.value, metric.standard_error, metric.low, metric.high, metric.candidate, metric.reference)
        same = gates[name]
        assert shown == (same.value, same.standard_error, same.low, same.high, same.candidate, same.reference)


def test_a_segment_has_the_numbers_of_its_rows_alone(tmp_path: Path) -> None:
    """The gate compares new users and new videos itself."""
    found = compared(tmp_path, (0.0, 1.0))
    for segment, value, name in (
        ("is_new_user", "new user", "xauc_new_user"),
        ("is_new_video", "new video", "xauc_new_video"),
    ):
        (part,) = (part for part in found.segments if (part.segment, part.value) == (segment, value))
        shown, same = part.metrics["xauc"], found.metrics[name]
        assert (shown.value, shown.standard_error, part.rows) == (same.value, same.standard_error, same.rows)


@pytest.mark.slow
def test_a_planted_difference_is_found_whichever_way_and_what_it_leaves_alone_is_not(tmp_path: Path) -> None:
    worse = compared(tmp_path, (1.5, 0.0))
    assert [verdict(name, worse.metrics[name], worse.alpha) for name in ("xauc", "xgauc", "mae")] == [
        "worse", "worse", "not told apart",
    ]  # fmt: skip
    better = compared(tmp_path, (0.0, 1.5))
    assert verdict("xauc", better.metrics["xauc"], better.alpha) == "better"
    parts = [part.metrics["xauc"].value for part in worse.segments if part.metrics]
    assert len(parts) > 20 and np.mean(np.less(parts, 0)) > 0.9


def test_equal_models_are_not_told_apart_though_single_differences_look_it(tmp_path: Path) -> None:
    """Of some hundred differences of equal models a few lie outside their own interval: Holm counts them all."""
    found = compared(tmp_path, (0.7, 0.7))
    assert verdicts(found) == {"not told apart"}
    alone = [one.p_value for part in found.segments for one in part.metrics.values() if one.value != 0]
    assert len(alone) > 40 and min(alone) < found.alpha


def test_a_model_against_itself_is_exactly_nothing(tmp_path: Path) -> None:
    path = predicted(tmp_path / "table.parquet", day(1), 0.5)
    found = compare_models(("new", "old"), [Pair(day(1), path, path)], CONFIG)
    assert verdicts(found) == {"not told apart"}
    assert {one.value for one in found.metrics.values()} == {0}


@pytest.mark.slow
def test_nights_are_pooled_each_counted_once(tmp_path: Path) -> None:
    found = compared(tmp_path, (0.0, 1.0), nights=2)
    assert found.nights == (day(1), day(2))
    nightly = [one.value for one in found.by_night.values()]
    assert found.metrics["xauc"].value == pytest.approx(np.mean(nightly))
    assert found.metrics["xauc"].standard_error == pytest.approx(
        math.sqrt(sum(one.standard_error**2 for one in found.by_night.values())) / 2
    )
    scenes = [part for part in found.segments if part.segment == "scene"]
    assert sum(part.rows for part in scenes) == found.rows == 3000
    assert all(one.nights == 2 for part in scenes for one in part.metrics.values())


def test_a_value_that_only_a_later_night_has_stands_with_its_segment(tmp_path: Path) -> None:
    pairs = [pair(tmp_path, number, (0.0, 1.0)) for number in (1, 2)]
    for path in (pairs[0].candidate, pairs[0].reference):
        pl.read_parquet(path).with_columns(scene=pl.lit(0, pl.Int64)).write_parquet(path, metadata=bound_metadata(True))
    found = compare_models(("new", "old"), pairs, CONFIG)
    assert [name for name, _ in groupby(part.segment for part in found.segments)] == list(CONFIG.segments)
    nights = {part.value: part.metrics["xauc"].nights for part in found.segments if part.segment == "scene"}
    assert nights == {"0": 2, "1": 1, "2": 1}


def test_from_a_week_on_the_spread_between_days_counts_where_it_is_larger() -> None:
    """With it an effect that changes sign from day to day is none; of users alone it would be."""
    deltas = [0.02, -0.01, 0.02, -0.012, 0.021, -0.009, 0.02]
    nights = [Interval.normal(delta, 0.001, 0.95) for delta in deltas]
    found = pooled(nights, 0.95)
    assert (found.nights, found.spread) == (7, "nights")
    assert found.standard_error == pytest.approx(math.sqrt(variance_of_sum(deltas, [0.001] * 7).value) / 7)
    assert found.standard_error == pytest.approx(np.std(deltas, ddof=1) / math.sqrt(7))
    assert found.p_value > 0.05
    users_alone = pooled(nights[:6], 0.95)
    assert users_alone.spread == "bootstrap"
    assert users_alone.p_value < 0.001


def test_undefined_nights_are_left_out() -> None:
    nothing = Interval(math.nan, math.nan, math.nan, math.nan)
    assert pooled([nothing, Interval.normal(0.01, 0.002, 0.95)], 0.95).nights == 1
    empty = pooled([nothing], 0.95)
    assert empty.nights == 0 and math.isnan(empty.value) and math.isnan(empty.p_value)


def test_an_interval_covers_what_is_true_as_often_as_it_says() -> None:
    """Nights whose difference has a mean of its own: the effect of the day is in the interval."""
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(400):
        deltas = 0.01 + random.normal(0, 0.004, 28) + random.normal(0, 0.002, 28)
        found = pooled([Interval.normal(float(delta), 0.002, 0.95) for delta in deltas], 0.95)
        covered += found.low <= 0.01 <= found.high
    assert covered / 400 > 0.92
