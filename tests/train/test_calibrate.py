"""Calibration of a recipe with several watch-time heads."""

import json

import numpy as np
import pytest

from models.fusion.rank_average import ReferenceScores
from models.heads.base import TrainLabels
from tasks.train.calibrate import Calibration, ValidationRows, calibrate
from tasks.train.config import CalibrationConfig

ROWS = 3_000
FIT = TrainLabels(np.array([2.0, 8.0, 6.0, 24.0]), np.array([10.0, 10.0, 40.0, 40.0]))
"""Two groups of durations, watched for 5 and 15 seconds on average."""


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
    calibration = calibrate(predictions, rows, FIT, CalibrationConfig())
    found = calibration.apply(predictions, rows.duration_s)
    references = [ReferenceScores.fit(predictions[name]) for name in ("score", "score_watch_time_log")]
    expected = (references[0](predictions["score"]) + references[1](predictions["score_watch_time_log"])) / 2
    np.testing.assert_allclose(found["score"], expected)
    assert set(found) == {"score", "watch_mean", "watch_median", "p_skip"}


def test_one_head_keeps_its_score(day: tuple[dict[str, np.ndarray], ValidationRows]) -> None:
    predictions, rows = day
    single = {name: value for name, value in predictions.items() if name != "score_watch_time_log"}
    calibration = calibrate(single, rows, FIT, CalibrationConfig())
    assert not calibration.references
    np.testing.assert_array_equal(calibration.apply(single, rows.duration_s)["score"], predictions["score"])


def test_a_written_calibration_reads_back_as_it_was(day: tuple[dict[str, np.ndarray], ValidationRows]) -> None:
    predictions, rows = day
    calibration = calibrate(predictions, rows, FIT, CalibrationConfig())
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    for name, value in calibration.apply(predictions, rows.duration_s).items():
        np.testing.assert_array_equal(again.apply(predictions, rows.duration_s)[name], value)


def test_totals_are_brought_to_the_level_of_all_days(day: tuple[dict[str, np.ndarray], ValidationRows]) -> None:
    """Days before this one on which the same videos were watched half as long: a mean day lies between."""
    predictions, rows = day
    before = TrainLabels(rows.watch_s / 2, rows.duration_s)
    of_day, of_all = (
        calibrate(predictions, rows, before, CalibrationConfig(level=level)) for level in ("last_day", "all_days")
    )
    assert of_day.mean.level == 1
    assert of_all.mean.level == pytest.approx(0.75)
    one, other = (found.apply(predictions, rows.duration_s) for found in (of_day, of_all))
    np.testing.assert_allclose(other["watch_mean"], 0.75 * one["watch_mean"])
    for name in ("score", "watch_median"):
        np.testing.assert_array_equal(other[name], one[name])
    again = Calibration.from_dict(json.loads(json.dumps(of_all.to_dict())))
    np.testing.assert_array_equal(again.apply(predictions, rows.duration_s)["watch_mean"], other["watch_mean"])


@pytest.mark.parametrize(
    ("watched", "users", "why"),
    [(0.0, 300, "is off by TRE"), (1.0, 1, "has too few users"), (0.0, 1, "has too few users")],
    ids=["nobody watched", "one user", "one user who watched nothing"],
)
def test_a_day_that_cannot_be_judged_is_calibrated_and_refused(
    day: tuple[dict[str, np.ndarray], ValidationRows], watched: float, users: int, why: str
) -> None:
    predictions, rows = day
    odd = ValidationRows(rows.watch_s * watched, rows.duration_s, rows.user % users, rows.day)
    calibration = calibrate(predictions, odd, FIT, CalibrationConfig())
    assert calibration.refused is not None
    assert why in calibration.refused
    found = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))).apply(predictions, rows.duration_s)
    assert all(np.isfinite(value).all() for value in found.values())
    assert (found["watch_mean"] == 0).all() == (watched == 0)
