"""EAD thresholds: both limits of the curvature, its search, ties, train logits; the published value on real data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.heads.base import TrainLabels
from models.heads.ordinal import OrdinalConfig
from models.heads.thresholds import (
    CURVATURES,
    best_curvature,
    ead_cuts,
    ead_error,
    fit_cuts,
    hazard_logits,
    survival_logits,
)

RNG = np.random.default_rng(0)
SKEWED = np.sort(np.round(RNG.exponential(20, 3000) * (RNG.random(3000) > 0.15), 3)).astype(np.float32)


def test_no_curvature_is_equal_frequency() -> None:
    cuts = ead_cuts(np.arange(1, 101, dtype=np.float32), 10, 1e-9)
    assert cuts.tolist() == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]


def test_curvature_makes_the_tail_finer() -> None:
    flat, curved = ead_cuts(SKEWED, 40, 0.01), ead_cuts(SKEWED, 40, 4.0)
    assert (curved > np.quantile(SKEWED, 0.9)).sum() > 3 * (flat > np.quantile(SKEWED, 0.9)).sum()
    ranks = np.searchsorted(np.arange(1000), ead_cuts(np.arange(1000, dtype=np.float32), 4, 2.0)[1:]) / 1000
    assert ranks == pytest.approx((1 - np.exp(-2 * np.arange(1, 5) / 4)) / (1 - np.exp(-2)), abs=0.002)


def test_zeros_collapse_and_cuts_are_train_values() -> None:
    cuts = ead_cuts(SKEWED, 40, 1e-6)
    assert cuts[0] == 0 and (np.diff(cuts) > 0).all()
    assert len(cuts) == 40 + 1 - int(0.15 * 40)
    assert np.isin(cuts, SKEWED).all() and cuts[-1] == SKEWED.max()


def brute_error(cuts: np.ndarray, watch: np.ndarray) -> float:
    """Return A_w + 50 A_b by counting, bin by bin; the first bin holds the zeros."""
    mass, width = [], []
    for i in range(1, len(cuts)):
        inside = [y for y in watch if (cuts[i - 1] < y or i == 1) and y <= cuts[i]]
        mass.append(len(inside) / len(watch))
        width.append(float(cuts[i]) - float(cuts[i - 1]))
    squares = sum(m * m for m in mass)
    return squares * sum(w * w / m for m, w in zip(mass, width, strict=True)) + 50 * squares * sum(w * w for w in width)


def test_best_curvature_equals_brute_force() -> None:
    watch = SKEWED[::10]
    errors = []
    for a in CURVATURES:
        levels = [(1 - np.exp(-a * m / 12)) / (1 - np.exp(-a)) for m in range(1, 13)]
        cuts = np.array(sorted({0.0, *(float(watch[int(np.ceil(q * len(watch) - 1e-9)) - 1]) for q in levels)}))
        errors.append(brute_error(cuts, watch))
        assert ead_error(watch, ead_cuts(watch, 12, a), 50.0) == pytest.approx(errors[-1], rel=1e-5)
    assert best_curvature(watch, 12, 50.0) == CURVATURES[int(np.argmin(errors))]
    assert len(set(errors)) > 10


def test_the_unit_does_not_matter() -> None:
    assert best_curvature(SKEWED, 30, 50.0) == best_curvature(SKEWED * 1024, 30, 50.0)


def test_nobody_watched() -> None:
    assert fit_cuts(OrdinalConfig(), TrainLabels(np.zeros(5), np.full(5, 12.0))).tolist() == [0, 12]


def test_train_logits_are_counts() -> None:
    cuts, watch = np.array([0, 5, 10], dtype=np.float32), np.array([0.0, 0, 3, 5, 7, 10, 11, 11])
    complete = np.array([False, False, False, False, False, True, False, False])
    odds = np.exp(survival_logits(cuts, watch))
    assert odds == pytest.approx([6.5 / 2.5, 4.5 / 4.5, 2.5 / 6.5])
    odds = np.exp(hazard_logits(cuts, watch, complete))
    assert odds == pytest.approx([2.5 / 6.5, 2.5 / 4.5, 1.5 / 2.5])


def test_published_curvature_on_the_reference_protocol(shared_data: Callable[[str], Path]) -> None:
    """The best a on the train rows of R0 and the distinct cuts.

    Source: docs/methods/watch_time.md#error-adaptive-thresholds.
    """
    path = shared_data("KuaiRand-Pure") / "data/log_standard_4_25_to_5_04_pure.csv"
    columns = ["user_id", "video_id", "date", "time_ms", "play_time_ms", "duration_ms"]
    rows = pl.scan_csv(path).select(columns).unique(["user_id", "video_id", "time_ms"])
    rows = rows.filter(pl.col("duration_ms").is_between(4500, 400_500) & (pl.col("date") <= 20220429))
    watch_ms = rows.select(pl.min_horizontal("play_time_ms", "duration_ms")).collect().to_series()
    assert len(watch_ms) == 68_994
    ordered = np.sort(watch_ms.to_numpy() / 1000).astype(np.float32)
    curvature = best_curvature(ordered, 50, 50.0)
    assert curvature == pytest.approx(0.2, abs=0.002)
    assert len(ead_cuts(ordered, 50, curvature)) == 46 + 1
