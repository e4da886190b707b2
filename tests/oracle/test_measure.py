"""Metrics against the truth: a table of which the expectation is known."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.core.labels import LABELS
from tasks.evaluate.config import EvaluationConfig
from tasks.oracle.measure import true_metrics

ROWS = 5000
CONFIG = EvaluationConfig(replicates=100)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A model that knows each row's expected seconds, and says so."""
    rng = np.random.default_rng(0)
    expected = np.exp(rng.normal(2, 0.7, ROWS))
    watched = np.minimum(rng.exponential(1, ROWS) * expected, 300)
    columns = {
        "user_id": rng.integers(0, 500, ROWS),
        "video_id": rng.integers(0, 90, ROWS),
        "event_time_ms": np.arange(ROWS),
        "day": ["2026-01-15"] * ROWS,
        "y_s": watched,
        "duration_ms": np.full(ROWS, 300_000),
        "watch_ms": (watched * 1000).astype(int),
        **{name: np.zeros(ROWS, int) for name in ("scene", "hour", "is_new_user", "is_new_video", "popularity")},
        "policy": ["random"] * ROWS,
        "exposure_probability": np.full(ROWS, np.nan),
        **{name: np.zeros(ROWS, np.int8) for name in LABELS},
        "long_view": (watched >= 18).astype(np.int8),
        "score_s0": expected,
        "watch_mean_s0": expected,
        "watch_median_s0": expected * np.log(2),
        "p_long_view_s0": np.exp(-18 / expected),
    }
    pl.DataFrame(columns).write_parquet(tmp_path / "model.parquet")
    return tmp_path / "model.parquet", expected


def test_a_model_that_knows_the_truth(written: tuple[Path, np.ndarray]) -> None:
    path, expected = written
    outcome, expectation = true_metrics("model", path, expected, CONFIG)
    assert (outcome.exposure, expectation.exposure) == ("truth", "truth_expected")
    assert (outcome.rows, expectation.rows) == (ROWS, ROWS)
    assert set(outcome.metrics) == {"xauc", "xgauc", "mae", "rmse", "tre_signed", "auc_long_view"}
    assert expectation.metrics["xauc"].value == 1
    assert expectation.metrics["rmse"].value == expectation.metrics["tre_signed"].value == 0
    noisy = outcome.metrics["xauc"]
    assert 0.6 < noisy.low < noisy.value < noisy.high < 0.8
    assert abs(outcome.metrics["tre_signed"].value) < 0.05
    assert outcome.metrics["auc_long_view"].value > 0.7


def test_without_an_expectation_only_outcomes_are_measured(written: tuple[Path, np.ndarray]) -> None:
    assert [part.exposure for part in true_metrics("model", written[0], None, CONFIG)] == ["truth"]
