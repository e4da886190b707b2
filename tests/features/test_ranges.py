"""Ranges of rows: each row is in one, they ascend, and none is large unless it cannot be parted."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.features import ranges

ORDER = ("minute", "event_time_ms", "user_id")


def _found(rows: pl.DataFrame, keys: tuple[ranges.Key, ...]) -> list[pl.DataFrame]:
    return [rows.filter(inside) for inside in ranges.ranges(rows.lazy(), keys)]


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), most=st.integers(1, 30), times=st.integers(1, 200_000), users=st.integers(1, 40))
def test_every_row_is_in_one_and_they_ascend(seed: int, most: int, times: int, users: int) -> None:
    rng = np.random.default_rng(seed)
    rows = pl.DataFrame(
        {
            "row": np.arange(100),
            "event_time_ms": rng.integers(-times, times, 100),
            "user_id": rng.integers(-users, users, 100),
        }
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "MOST_ROWS", most)
        found = _found(rows, ranges.BY_TIME)
    assert pl.concat(found)["row"].sort().to_list() == list(range(100))
    keyed = [part.with_columns(minute=pl.col("event_time_ms") // 60_000).sort(*ORDER) for part in found]
    for before, after in itertools.pairwise(keyed):
        assert before.select(ORDER).row(-1) < after.select(ORDER).row(0)
    assert all(part.height < 2 * most or part.select(ORDER[1:]).n_unique() == 1 for part in found)


def test_few_rows_are_one_range() -> None:
    rows = pl.LazyFrame({"user_id": [3, 1, 2]})
    assert len(ranges.ranges(rows, ranges.BY_USER)) == 1
    assert len(ranges.ranges(rows.clear(), ranges.BY_USER)) == 1


def test_a_log_that_knows_only_the_day_is_parted_by_its_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "MOST_ROWS", 10)
    rows = pl.DataFrame({"event_time_ms": [86_400_000] * 100, "user_id": range(100)})
    assert [part.height for part in _found(rows, ranges.BY_TIME)] == [10] * 10
