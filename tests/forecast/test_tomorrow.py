"""XAUC of earlier days carried forward to the model that serves next."""

import datetime as dt

import pytest

from tasks.forecast.tomorrow import carried
from tasks.registry.forecast import NightForecast, Served

DAY = dt.date(2026, 1, 1)


def model(number: int) -> Served:
    return Served(recipe="d2q", recipe_hash="hash", made=DAY + dt.timedelta(days=number))


def record(
    number: int, served: int | None, came: float | None, serves: int | None, reached: float | None
) -> NightForecast:
    """Return the night of a day, with the models by the nights that fitted them."""
    return NightForecast(
        night=DAY + dt.timedelta(days=number),
        served=None if served is None else model(served),
        realised={} if came is None else {"xauc": came},
        forecast={}, nowcast={}, day=DAY + dt.timedelta(days=number + 1),
        serves=None if serves is None else model(serves),
        reached=reached, rows=None, tomorrow={}, coverage={}, notes=(), alarms=(),
    )  # fmt: skip


def test_a_day_is_moved_by_every_difference_since() -> None:
    past = [record(1, 0, 0.60, 1, 0.61), record(2, 1, 0.63, 2, 0.65)]
    # On day 3 the next model has .66 where model 2 has .64; on day 2 model 2 had .65 where model 1 had .63.
    assert carried(0.66, model(2), 0.64, past) == pytest.approx([0.66, 0.65 + 0.02, 0.61 + 0.02 + 0.02])


@pytest.mark.parametrize(
    ("served", "came", "past", "days"),
    [
        (None, None, [record(1, 0, 0.6, 1, 0.6)], 1),
        (model(1), 0.6, [], 1),
        (model(9), 0.6, [record(1, 0, 0.6, 1, 0.6)], 1),
        (model(1), 0.6, [record(0, 0, 0.6, 0, 0.6), record(1, None, None, 1, 0.6)], 2),
        (model(1), 0.6, [record(0, 0, 0.6, None, None), record(1, 0, 0.6, 1, 0.6)], 2),
        (model(0), 0.6, [record(number, 0, 0.6, 0, 0.6) for number in range(9)], 7),
    ],
    ids=["no champion", "first night", "another served", "the first champion", "refused before", "a week at most"],
)
def test_the_line_ends_where_it_is_not_known(
    served: Served | None, came: float | None, past: list[NightForecast], days: int
) -> None:
    assert len(carried(0.6, served, came, past)) == days
