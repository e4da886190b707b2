"""Intervals from past errors hold what they promise, and alarms are rare where nothing changes."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pytest

from tasks.forecast.intervals import ENOUGH, alarms, bounds, coverage, errors
from tasks.registry.forecast import NORMAL_90, Bounds, NightForecast

DAY = dt.date(2026, 1, 1)


def night(said: Bounds, came: float, number: int = 0) -> NightForecast:
    """Return a record of skip rates alone."""
    return NightForecast(
        night=DAY + dt.timedelta(days=number), served=None, realised={"skip_rate": came}, forecast={"skip_rate": said},
        nowcast={}, day=DAY, serves=None, reached=None, rows=None, tomorrow={}, coverage={}, notes=(), alarms=(),
    )  # fmt: skip


def nights(z: Sequence[float]) -> list[NightForecast]:
    """Return nights that came so many standard deviations above what was said."""
    said = Bounds(raw=0.2, value=0.2, half_width=0.01 * NORMAL_90)
    return [night(said, 0.2 + 0.01 * one, number) for number, one in enumerate(z)]


def test_few_nights_take_the_resampled_error_and_the_spread() -> None:
    said = bounds(0.6, [0.5] * (ENOUGH - 1), 0.03, 0.04)
    assert (said.raw, said.value, said.half_width) == (0.6, 0.6, pytest.approx(NORMAL_90 * 0.05))


@pytest.mark.parametrize(("nights", "rank"), [(14, 14), (19, 18), (29, 27), (60, 55)])
def test_later_the_errors_themselves_less_their_mean(nights: int, rank: int) -> None:
    error = np.random.default_rng(nights).normal(0.1, 1, nights)
    said = bounds(5.0, error.tolist(), 0.03, 0.04)
    assert said.value == pytest.approx(5.0 - error.mean())
    assert said.half_width == pytest.approx(np.sort(np.abs(error - error.mean()))[rank - 1])


@pytest.mark.parametrize("count", [14, 30, 60])
def test_intervals_hold_nine_in_ten(count: int) -> None:
    rng = np.random.default_rng(1)
    held = [bounds(0.0, e[:-1].tolist(), 0, 0).holds(-e[-1]) for e in rng.normal(0.3, 1, (2000, count + 1))]
    assert np.mean(held) == pytest.approx(0.9, abs=0.025)


def test_errors_are_said_minus_came() -> None:
    said = Bounds(raw=0.25, value=0.2, half_width=0.1)
    assert errors([night(said, 0.22), night(said, 0.28)], "forecast", "skip_rate") == pytest.approx([0.03, -0.03])
    assert errors([night(said, 0.22)], "nowcast", "skip_rate") == []


@pytest.mark.parametrize(
    ("z", "why"),
    [
        ([4.1], "far"),
        ([0, 0, -4.1], "far"),
        ([3.9], None),
        ([2.6, 0, 2.7], "repeated"),
        ([2.7, -2.7, 0], "repeated"),
        ([2.7, 2.7, 0, 0], None),
        ([2.5, 2.5, 2.5], None),
    ],
)
def test_an_alarm_is_far_off_once_or_off_twice_in_three_nights(z: list[float], why: str | None) -> None:
    found = alarms(nights(z))
    assert [(alarm.series, alarm.metric, alarm.why) for alarm in found] == (
        [("forecast", "skip_rate", why)] if why else []
    )
    assert not found or found[0].z == pytest.approx(z[-1])


def test_a_series_without_spread_is_off_by_99_at_most() -> None:
    exact = Bounds(raw=0.2, value=0.2, half_width=0.0)
    assert [exact.z(came) for came in (0.2, 0.3, 0.1)] == pytest.approx([0, 99, -99])


def test_a_night_without_a_value_raises_no_alarm() -> None:
    quiet = nights([0.0])[0].model_copy(update={"realised": {}})
    assert alarms([*nights([5.0]), quiet]) == []
    assert coverage([quiet]) == {}


def test_coverage_counts_intervals_that_held() -> None:
    found = coverage(nights([0, 1.6, -1.7, 3]))["forecast"]["skip_rate"]
    assert (found.held, found.judged) == (2, 4)


@pytest.mark.slow
def test_stationary_series_raise_false_alarms_on_one_night_in_a_hundred_at_most() -> None:
    """Three metrics in two series, errors of both correlated, 12 worlds of 120 nights whose intervals they make themselves."""
    rng, false = np.random.default_rng(2), 0
    for _ in range(12):
        past: list[NightForecast] = []
        for number in range(120):
            shared, own = rng.normal(0, 1, (2, 3)), rng.normal(0, 1, 3)
            both = {"forecast": shared[0], "nowcast": 0.6 * shared[0] + 0.8 * own}
            known = past[-60:]
            said = {
                series: {
                    metric: bounds(float(10 + error[i]), errors(known, series, metric), 1.0, 0.0)
                    for i, metric in enumerate(("xauc", "seconds", "skip_rate"))
                }
                for series, error in both.items()
            }
            record = night(Bounds(raw=0, value=0, half_width=1), 0, number)
            came = dict.fromkeys(("xauc", "seconds", "skip_rate"), 10.0)
            past.append(record.model_copy(update={"realised": came, **said}))
            false += bool(alarms(past[-60:]))
    assert false / (12 * 120) <= 0.01
