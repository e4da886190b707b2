import datetime as dt

import polars as pl
import pytest

from tasks.core.days import DAY_MS, HOUR_MS, midnight_ms
from tasks.features import buckets


def _one(expression: pl.Expr) -> object:
    return pl.select(expression).item()


@pytest.mark.parametrize(("ms", "expected"), [(None, 0), (1, 1), (1_999, 1), (2_000, 2), (599_999, 25), (600_000, 26)])
def test_duration_bucket(ms: int | None, expected: int) -> None:
    assert _one(buckets.duration_bucket(pl.lit(ms, dtype=pl.Int64))) == expected


def test_duration_edges_are_log_spaced() -> None:
    ratios = [b / a for a, b in zip(buckets.DURATION_EDGES_MS, buckets.DURATION_EDGES_MS[1:], strict=False)]
    assert max(ratios) - min(ratios) < 0.001


@pytest.mark.parametrize(
    ("watch", "expected"),
    [(0, 1), (1, 2), (49, 2), (50, 3), (149, 3), (350, 5), (999, 6), (1_000, 7), (1_500, 8), (9_000, 8)],
)
def test_ratio_bucket(watch: int, expected: int) -> None:
    # in permille: less than one permille played counts as nothing played
    assert _one(buckets.ratio_bucket(pl.lit(watch * 1_000), pl.lit(1_000_000))) == expected


@pytest.mark.parametrize(("gap", "expected"), [(0, 1), (15 * 60_000, 2), (7 * DAY_MS - 1, 15), (7 * DAY_MS, 16)])
def test_gap_bucket_spans_a_quarter_hour_to_a_week(gap: int, expected: int) -> None:
    assert _one(buckets.gap_bucket(pl.lit(gap))) == expected


@pytest.mark.parametrize(("age", "expected"), [(None, 0), (-1, 1), (0, 2), (DAY_MS, 3), (365 * DAY_MS, 17)])
def test_age_bucket(age: int | None, expected: int) -> None:
    assert _one(buckets.age_bucket(pl.lit(age, dtype=pl.Int64))) == expected


def test_midnight_is_that_of_the_time_zone() -> None:
    assert midnight_ms(dt.date(2022, 4, 25), "Asia/Shanghai") == 1_650_816_000_000
    spring_forward = dt.date(2024, 3, 31)
    length = midnight_ms(dt.date(2024, 4, 1), "Europe/Berlin") - midnight_ms(spring_forward, "Europe/Berlin")
    assert length == 23 * HOUR_MS
