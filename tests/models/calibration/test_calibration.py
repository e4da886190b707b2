"""Calibrators against brute force, their guards, and the exact round trip."""

import numpy as np
import pytest

from models.calibration import CalibrationRefused, CalibrationRows, CalibratorConfig, MeanCalibrator, MedianCalibrator
from models.calibration.curve import Curve, binned_medians, isotonic
from models.calibration.rows import held_out_users

EDGES = np.array([20.0, 40.0])


def day(rows: int = 6000, seed: int = 0, bias: float = 0.5) -> CalibrationRows:
    """Return watch times whose mean is a known share of the duration, and a score that is off by a factor."""
    rng = np.random.default_rng(seed)
    duration = rng.integers(5, 60, rows).astype(float)
    share = rng.random(rows)
    watch = np.minimum(duration, rng.exponential(share * duration / 2))
    return CalibrationRows(bias * share * duration / 2, watch, duration, rng.integers(0, 900, rows))


def brute_isotonic(y: np.ndarray) -> np.ndarray:
    """Return the isotonic regression of y in its order by the min-max formula."""
    n = len(y)
    return np.array([max(min(y[a : b + 1].mean() for b in range(i, n)) for a in range(i + 1)) for i in range(n)])


def test_isotonic_equals_the_min_max_formula() -> None:
    rng = np.random.default_rng(0)
    x = np.sort(rng.random(40))
    y = x + rng.normal(0, 0.5, 40)
    np.testing.assert_allclose(isotonic(x, y)(x), brute_isotonic(y), atol=1e-12)


def test_linear_between_knots_and_constant_outside() -> None:
    curve = Curve(x=(1.0, 3.0), y=(10.0, 20.0))
    assert curve(np.array([0.0, 1.0, 1.5, 3.0, 9.0])).tolist() == [10, 10, 12.5, 20, 20]


def test_binned_medians_equal_counting() -> None:
    rng = np.random.default_rng(1)
    x = rng.permutation(np.arange(5000.0))
    y = x + rng.normal(0, 2000, 5000)
    order = np.argsort(x)
    parts = np.split(order, 100)
    middle, median = (np.array([np.median(v[part]) for part in parts]) for v in (x, y))
    np.testing.assert_allclose(binned_medians(x, y)(middle), brute_isotonic(median), atol=1e-9)


def test_binned_medians_do_not_depend_on_row_order_and_keep_ties_together() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 7, 3000).astype(float), rng.random(3000)
    y[x == 3] += 5
    order = rng.permutation(3000)
    curve = binned_medians(x, y)
    assert curve == binned_medians(x[order], y[order])
    assert len(curve.x) <= 7


@pytest.mark.parametrize("variant", ["per_group", "global"])
def test_mean_calibration_makes_totals_match(variant: str) -> None:
    rows = day()
    calibrator = MeanCalibrator.fit(rows, EDGES, "2022-04-30", CalibratorConfig(variant=variant))
    assert calibrator.tre_before < -0.5
    assert abs(calibrator.tre_after) < 0.1
    fitted = calibrator.apply(rows.value, rows.duration_s)
    assert fitted.sum() == pytest.approx(rows.watch_s.sum(), rel=2e-3)
    assert ((fitted >= 0) & (fitted <= rows.duration_s)).all()


@pytest.mark.parametrize("variant", ["per_group", "global"])
def test_seconds_exceed_the_duration_where_the_label_counts_replays(variant: str) -> None:
    once = day()
    rows = CalibrationRows(once.value, 3 * once.watch_s, once.duration_s, once.user, bounded=False)
    config = CalibratorConfig(variant=variant)
    for kind in (MeanCalibrator, MedianCalibrator):
        calibrator = kind.fit(rows, EDGES, "2022-04-30", config)
        fitted = kind.from_json(calibrator.to_json()).apply(rows.value, rows.duration_s)
        assert (fitted > rows.duration_s).any()
        assert (fitted >= 0).all()
    mean = MeanCalibrator.fit(rows, EDGES, "2022-04-30", config).apply(rows.value, rows.duration_s)
    assert mean.sum() == pytest.approx(rows.watch_s.sum(), rel=2e-3)


def test_every_group_has_the_curve_of_its_own_rows() -> None:
    rows = day()
    calibrator = MeanCalibrator.fit(rows, EDGES, "day", CalibratorConfig())
    for index, (low, high) in enumerate([(0, 20), (20, 40), (40, 99)]):
        here = (rows.duration_s >= low) & (rows.duration_s < high)
        assert calibrator.curves.groups[index] == isotonic(rows.value[here], rows.watch_s[here])
        assert calibrator.curves.rows[index] == here.sum()


def test_a_small_group_uses_the_curve_of_all_rows() -> None:
    rows = day()
    small = (rows.duration_s < 40) | (np.arange(len(rows)) < 200)
    rows = rows.where(small)
    calibrator = MeanCalibrator.fit(rows, EDGES, "day", CalibratorConfig())
    assert [curve is None for curve in calibrator.curves.groups] == [False, False, True]
    asked = np.array([1.0, 7.0])
    expected = calibrator.curves.overall(asked)
    assert calibrator.apply(asked, np.array([50.0, 50.0])).tolist() == expected.tolist()


@pytest.mark.parametrize("calibrator", [MeanCalibrator, MedianCalibrator])
def test_few_rows_are_refused(calibrator: type[MeanCalibrator]) -> None:
    with pytest.raises(CalibrationRefused, match="1999 rows are too few to calibrate on: 2000 are needed"):
        calibrator.fit(day(1999), EDGES, "day", CalibratorConfig())


def test_totals_off_on_held_out_users_are_refused() -> None:
    rows = day()
    watch = np.where(held_out_users(rows.user), rows.watch_s / 2, rows.watch_s)
    shifted = CalibrationRows(rows.value, watch, rows.duration_s, rows.user)
    with pytest.raises(CalibrationRefused, match=r"total of 2022-04-30 is off by TRE \+0\.\d+ on \d+ rows"):
        MeanCalibrator.fit(shifted, EDGES, "2022-04-30", CalibratorConfig())


@pytest.mark.parametrize("held_out", [0, 1])
def test_a_day_of_one_user_is_refused(held_out: int) -> None:
    """All rows of one user: either none is held out or all are; the guard must not pass on nothing."""
    rows = day()
    one = next(user for user in range(50) if held_out_users(np.array([user]))[0] == bool(held_out))
    lonely = CalibrationRows(rows.value, rows.watch_s, rows.duration_s, np.full(len(rows), one))
    with pytest.raises(CalibrationRefused, match=f"{held_out * len(rows)} of 6000 rows are of held-out users"):
        MeanCalibrator.fit(lonely, EDGES, "day", CalibratorConfig())


def test_median_calibration_halves_each_bin() -> None:
    rows = day(20_000)
    calibrator = MedianCalibrator.fit(rows, EDGES, "day", CalibratorConfig())
    fitted = calibrator.apply(rows.value, rows.duration_s)
    below = rows.watch_s <= fitted
    for group in (rows.duration_s < 20, rows.duration_s >= 40):
        assert below[group].mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("kind", [MeanCalibrator, MedianCalibrator])
def test_json_round_trip_is_exact(kind: type[MeanCalibrator]) -> None:
    rows = day()
    calibrator = kind.fit(rows, EDGES, "2022-04-30", CalibratorConfig())
    again = kind.from_json(calibrator.to_json())
    assert again == calibrator
    asked, duration = np.random.default_rng(3).random((2, 500)) * 50
    assert np.array_equal(again.apply(asked, duration), calibrator.apply(asked, duration))


def test_an_infinite_tre_survives_the_round_trip() -> None:
    rows = day()
    centred = CalibrationRows(np.zeros(len(rows)), rows.watch_s, rows.duration_s, rows.user)
    calibrator = MeanCalibrator.fit(centred, EDGES, "day", CalibratorConfig())
    assert calibrator.tre_before == float("-inf")
    assert MeanCalibrator.from_json(calibrator.to_json()) == calibrator


def test_a_fifth_of_the_users_is_held_out_whatever_the_rows() -> None:
    users = np.arange(100_000)
    marked = held_out_users(users)
    assert marked.mean() == pytest.approx(0.2, abs=0.005)
    assert np.array_equal(held_out_users(users[::-7]), marked[::-7])
