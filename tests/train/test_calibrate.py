"""Calibration of a recipe with several watch-time heads."""

import json

import numpy as np
import pytest

from models.fusion.rank_average import ReferenceScores
from tasks.train.calibrate import Calibration, ValidationRows, calibrate
from tasks.train.config import CalibrationConfig

ROWS = 3_000


@pytest.fixture
def day() -> tuple[dict[str, np.ndarray], ValidationRows]:
    """Two noisy scores on different scales and one native mean."""
    rng = np.random.default_rng(0)
    duration_s = rng.integers(5, 60, ROWS).astype(float)
    watch_s = np.round(duration_s * rng.random(ROWS), 3)
    predictions = {
        "score": watch_s + rng.normal(0, 10, ROWS),
        "score_watch_time_log": np.exp((watch_s + rng.normal(0, 10, ROWS)) / 10),
        "mean": np.clip(watch_s + rng.normal(0, 5, ROWS), 0, duration_s),
        "p_skip": rng.random(ROWS),
    }
    return predictions, ValidationRows(watch_s, duration_s, rng.integers(0, 300, ROWS), "2026-01-01")


def test_scores_of_several_heads_become_the_mean_of_their_percentiles(
    day: tuple[dict[str, np.ndarray], ValidationRows],
) -> None:
    predictions, rows = day
    calibration = calibrate(predictions, rows, rows.duration_s, CalibrationConfig())
    found = calibration.apply(predictions, rows.duration_s)
    references = [ReferenceScores.fit(predictions[name]) for name in ("score", "score_watch_time_log")]
    expected = (references[0](predictions["score"]) + references[1](predictions["score_watch_time_log"])) / 2
    np.testing.assert_allclose(found["score"], expected)
    assert set(found) == {"score", "watch_mean", "watch_median", "p_skip"}


def test_one_head_keeps_its_score(day: tuple[dict[str, np.ndarray], ValidationRows]) -> None:
    predictions, rows = day
    single = {name: value for name, value in predictions.items() if name != "score_watch_time_log"}
    calibration = calibrate(single, rows, rows.duration_s, CalibrationConfig())
    assert not calibration.references
    np.testing.assert_array_equal(calibration.apply(single, rows.duration_s)["score"], predictions["score"])


def test_a_written_calibration_reads_back_as_it_was(day: tuple[dict[str, np.ndarray], ValidationRows]) -> None:
    predictions, rows = day
    calibration = calibrate(predictions, rows, rows.duration_s, CalibrationConfig())
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    for name, value in calibration.apply(predictions, rows.duration_s).items():
        np.testing.assert_array_equal(again.apply(predictions, rows.duration_s)[name], value)
