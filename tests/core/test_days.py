"""The roles of a night's days."""

import datetime as dt

import pytest

from tasks.core.days import Days
from tasks.core.errors import ConfigError

NIGHT = dt.date(2022, 5, 4)


def day(number: int) -> dt.date:
    return dt.date(2022, 5, 1) + dt.timedelta(days=number - 1)


def test_night_fits_to_t_minus_2_calibrates_on_t_minus_1_and_judges_t() -> None:
    days = Days.of_night(NIGHT, fit_days=6, lookback=7)
    assert days.fit == tuple(day(number) for number in range(-3, 3))
    assert (days.validation, days.judge, days.serve) == (day(3), (NIGHT,), day(5))
    assert days.read[0] == day(-10)
    assert days.read[-1] == NIGHT
    assert len(days.read) == 15


def test_window_is_cut_where_the_source_begins() -> None:
    days = Days.of_night(NIGHT, 6, 7).since(dt.date(2022, 5, 1))
    assert days.fit == (day(1), day(2))


def test_a_source_that_begins_too_late_says_which_night_to_choose() -> None:
    with pytest.raises(ConfigError, match=r"begins on 2022-05-02: choose as_of 2022-05-05 or later"):
        Days.of_night(NIGHT, 6, 7).since(dt.date(2022, 5, 2))


def test_days_out_of_order_are_refused() -> None:
    with pytest.raises(ConfigError, match="must follow each other"):
        Days((day(1), day(3)), day(2), (day(4),), lookback=7)


def test_frozen_state_never_looks_past_the_freeze() -> None:
    days = Days((day(-1), day(0)), day(1), (day(2), day(3), day(4)), lookback=7, frozen_from=day(2))
    assert [days.state_day(day(n)) for n in (0, 2, 4)] == [day(0), day(2), day(2)]


LOST = "collector outage"


def test_an_accepted_gap_is_neither_learned_from_nor_looked_back_on() -> None:
    whole = Days.of_night(NIGHT, 6, 7)
    days = whole.without({day(0): LOST, day(-8): LOST, day(-100): LOST})
    assert days.fit == tuple(set_of for set_of in whole.fit if set_of != day(0))
    assert set(whole.read) - set(days.read) == {day(0), day(-8)}
    assert days.gaps == ((day(-8), LOST), (day(0), LOST)), "those that the night would read, in order"
    assert days.since(day(-2)).gaps == days.gaps
    assert (days.validation, days.judge) == (whole.validation, whole.judge)


@pytest.mark.parametrize("lost", [day(3), NIGHT])
def test_a_night_cannot_be_calibrated_or_judged_on_a_lost_day(lost: dt.date) -> None:
    with pytest.raises(ConfigError, match=rf"cannot do without {lost}, which window.accepted_gaps names \({LOST}\)"):
        Days.of_night(NIGHT, 6, 7).without({lost: LOST})


def test_two_fit_days_must_remain() -> None:
    with pytest.raises(ConfigError, match=r"needs at least 2 fit days, and window.accepted_gaps leaves 1 of"):
        Days.of_night(NIGHT, 2, 7).without({day(1): LOST})
