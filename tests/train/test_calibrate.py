"""Calibration of a recipe with several watch-time heads."""

import json

import numpy as np
import pytest

from models.correction.base import LabelledRows
from models.correction.dadf import Dadf
from models.fusion.rank_average import ReferenceScores
from models.heads.base import TrainLabels
from models.propensity.fit import part_of
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


CORRECTION = {"correction": {"kind": "dadf", "width": 32, "buckets": 2, "batch_size": 64, "epochs": 10}}


def lean(day: tuple[dict[str, np.ndarray], ValidationRows]) -> tuple[dict[str, np.ndarray], ValidationRows]:
    """The day with one score, and a model's seconds that are too few by a factor of the duration and of a probability."""
    predictions, rows = day
    off = np.where(rows.duration_s < 25, 0.5, 0.8) * np.where(predictions["p_skip"] < 0.5, 1.0, 0.4)
    return {"score": predictions["score"], "mean": off * rows.watch_s, "p_skip": predictions["p_skip"]}, rows


@pytest.mark.slow
def test_a_correction_changes_seconds_before_they_are_calibrated(
    day: tuple[dict[str, np.ndarray], ValidationRows],
) -> None:
    predictions, rows = lean(day)
    plain = calibrate(predictions, rows, FIT, CalibrationConfig())
    found = calibrate(predictions, rows, FIT, CalibrationConfig(**CORRECTION))
    served, before = (one.apply(predictions, rows.duration_s) for one in (found, plain))
    np.testing.assert_array_equal(served["score"], predictions["score"])
    for name in ("watch_mean", "watch_median"):
        error, without = (np.square(one[name] - rows.watch_s).mean() for one in (served, before))
        assert error < 0.7 * without
    again = Calibration.from_dict(json.loads(json.dumps(found.to_dict())))
    for name, value in again.apply(predictions, rows.duration_s).items():
        np.testing.assert_array_equal(value, served[name])
    asked = {name: value[:7] for name, value in predictions.items()}
    few = found.apply(asked, rows.duration_s[:7])
    np.testing.assert_allclose(few["watch_mean"], served["watch_mean"][:7], rtol=1e-9)


@pytest.mark.slow
def test_corrected_seconds_may_rank(day: tuple[dict[str, np.ndarray], ValidationRows]) -> None:
    predictions, rows = lean(day)
    del predictions["mean"]
    config = CalibrationConfig(correction={**CORRECTION["correction"], "epochs": 2, "score": "corrected"})
    found = calibrate(predictions, rows, FIT, config)
    assert found.correction is not None
    assert all(half.curves is not None for half in found.correction.halves), "a score is made seconds first"
    served = found.apply(predictions, rows.duration_s)["score"]
    np.testing.assert_array_equal(served, found.correction.apply(predictions, rows.duration_s))
    assert (served <= 10 * rows.duration_s + 9).all()


def test_calibrators_read_seconds_corrected_by_other_users(
    day: tuple[dict[str, np.ndarray], ValidationRows], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each half is corrected by a fit of the other, which it stops."""
    predictions, rows = lean(day)
    fitted: list[tuple[set[float], set[float]]] = []
    original = Dadf.__dict__["fit"].__func__

    def recorded(cls: type[Dadf], config: object, rows: LabelledRows, train: object, watched: LabelledRows) -> Dadf:
        fitted.append((set(rows.base.base_s.tolist()), set(watched.base.base_s.tolist())))
        found: Dadf = original(cls, config, rows, train, watched)
        return found

    monkeypatch.setattr(Dadf, "fit", classmethod(recorded))
    config = CalibrationConfig(correction={**CORRECTION["correction"], "epochs": 1})
    calibration = calibrate(predictions, rows, FIT, config)
    assert calibration.correction is not None
    part = part_of(rows.user, 2)
    zero, one = (set(predictions["mean"][part == half].tolist()) for half in (0, 1))
    assert fitted == [(one, zero), (zero, one)]
    seconds = calibration.mean.curves.overall.x
    whole = calibration.correction.apply(predictions, rows.duration_s)
    halves = [
        half.apply(predictions["mean"], rows.duration_s, {"p_skip": predictions["p_skip"]})
        for half in calibration.correction.halves
    ]
    np.testing.assert_allclose(whole, (halves[0] + halves[1]) / 2)
    assert set(seconds) <= set(np.where(part == 0, *halves).tolist())


def test_one_user_is_not_corrected(day: tuple[dict[str, np.ndarray], ValidationRows]) -> None:
    predictions, rows = lean(day)
    alone = ValidationRows(rows.watch_s, rows.duration_s, np.zeros_like(rows.user), rows.day)
    found, plain = (calibrate(predictions, alone, FIT, CalibrationConfig(**how)) for how in (CORRECTION, {}))
    assert found.correction is None
    assert found.to_dict() == plain.to_dict()
