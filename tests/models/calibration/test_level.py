"""The level of a day by hand."""

import numpy as np
import pytest

from models.calibration import CalibrationRows, CalibratorConfig, MeanCalibrator, pooled_level

EDGES = np.array([20.0])


def test_by_hand() -> None:
    """Short videos: 2, 4 before and 6 on the day, mean 4; long ones: 10 before and 20, 30 on the day, mean 20."""
    before = np.array([2.0, 4.0, 10.0]), np.array([10.0, 10.0, 30.0])
    day = np.array([6.0, 20.0, 30.0]), np.array([10.0, 30.0, 30.0])
    assert pooled_level(*before, *day, EDGES) == pytest.approx((4 + 20 + 20) / 56)


def test_a_day_of_longer_videos_is_not_one_of_longer_watching() -> None:
    before = np.array([4.0, 4.0, 20.0]), np.array([10.0, 10.0, 30.0])
    day = np.array([4.0, 20.0, 20.0, 20.0]), np.array([10.0, 30.0, 30.0, 30.0])
    assert pooled_level(*before, *day, EDGES) == pytest.approx(1)


def test_nothing_watched_says_nothing() -> None:
    zeros, long = np.zeros(3), np.full(3, 30.0)
    assert pooled_level(zeros, long, zeros, long, EDGES) == 1
    assert pooled_level(np.array([5.0, 5.0, 5.0]), long, zeros, long, EDGES) == 1


def test_a_level_above_1_stays_within_the_duration() -> None:
    rng = np.random.default_rng(0)
    duration_s = rng.uniform(5, 60, 400)
    rows = CalibrationRows(duration_s, duration_s, duration_s, rng.integers(0, 100, 400))
    config = CalibratorConfig(min_rows=1, min_group_rows=1)
    calibrator = MeanCalibrator.fit(rows, EDGES, "2026-01-01", config, level=1.5)
    found = calibrator.apply(duration_s, duration_s)
    assert (found <= duration_s).all()
    assert (found > 0.9 * duration_s).mean() > 0.9
