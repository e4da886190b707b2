"""Who wins among rows of one key, within a partition and against the day before."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.core.contract import KEY
from tasks.validate.config import RowRulesConfig
from tasks.validate.duplicates import arrived_before, key_order_broken, mark, nothing_before
from tasks.validate.row_rules import RowContext, split
from tests.validate.by_hand import FIRST, HOUR, clean_day, sorted_rows, start_of

START, END = start_of(FIRST), start_of(FIRST) + 24 * HOUR
CONTEXT = RowContext(RowRulesConfig(), START, END)
BASE = {"duration_ms": 20_000, "watch_ms": 9_000, "known_at_ms": START + 9 * HOUR}


def copies(*changes: dict[str, Any]) -> pl.DataFrame:
    """Return a clean day with its 30th row repeated once per set of changes (the first stands for the row itself)."""
    frame = clean_day(FIRST, rows=60)
    frame = frame.with_columns(event_time_ms=pl.col("event_time_ms").clip(upper_bound=START + 9 * HOUR))
    row = frame[29:30]
    changed = [
        row.with_columns(
            pl.lit(value, dtype=row.schema[name]).alias(name) for name, value in {**BASE, **change}.items()
        )
        for change in changes
    ]
    return sorted_rows(pl.concat([frame[:29], *changed, frame[30:]]))


def survivors(frame: pl.DataFrame, before: pl.DataFrame | None = None) -> tuple[pl.DataFrame, dict[str, int]]:
    sound, quarantined = split(mark(frame, CONTEXT, nothing_before() if before is None else before), CONTEXT)
    assert sound.height + quarantined.height == frame.height
    return sound, {str(k): int(v) for k, v in quarantined.group_by("reason").len().iter_rows()}


def test_exact_copies_leave_one_row() -> None:
    sound, reasons = survivors(copies({}, {}, {}))
    assert reasons == {"exact_duplicate": 2}
    assert sound.height == 60


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        ({"watch_ms": 1}, {"watch_ms": 2}, {"watch_ms": 2}),
        ({"known_at_ms": START + 10 * HOUR, "watch_ms": 9}, {"watch_ms": 2}, {"watch_ms": 2}),
        ({"watch_ms": 1}, {"watch_ms": 19_000, "like": 2}, {"watch_ms": 1}),
        ({"scene": 1}, {"scene": 2}, {"scene": 1}),
    ],
    ids=["longer play", "earlier arrival", "sound row", "order of the file"],
)
def test_one_row_per_key_remains(first: dict[str, Any], second: dict[str, Any], winner: dict[str, Any]) -> None:
    frame = copies(first, second)
    sound, reasons = survivors(frame)
    assert reasons == {"key_duplicate": 1}
    kept = sound.join(frame.filter(pl.struct(KEY).is_duplicated()), on=KEY, how="semi")
    assert kept.select(list(winner)).rows(named=True) == [winner]


def test_dedup_keeps_one_row_per_key_like_a_brute_force_twin() -> None:
    rng = np.random.default_rng(3)
    frame = clean_day(FIRST, rows=300)
    again = frame[rng.integers(0, 300, 200).tolist()].with_columns(
        watch_ms=pl.Series(rng.integers(0, 9_000, 200)), like=pl.Series(rng.choice([0, 1, 2], 200)).cast(pl.Int8)
    )
    frame = sorted_rows(pl.concat([frame, again]))
    expected: dict[tuple[int, ...], tuple[tuple[bool, int, int], dict[str, Any]]] = {}
    for row in frame.iter_rows(named=True):
        key = tuple(row[name] for name in KEY)
        rank = (row["like"] == 2, row["known_at_ms"], -row["watch_ms"])
        if key not in expected or rank < expected[key][0]:
            expected[key] = (rank, row)
    wanted = [row for rank, row in expected.values() if not rank[0]]
    sound, _ = survivors(frame)
    assert sound.to_dicts() == wanted


def late_copy(**changes: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return today's rows with one late row, and yesterday's, of which `changes` make a variant of that row."""
    late = clean_day(FIRST, rows=60)[:1].with_columns(
        event_time_ms=pl.lit(START - 60_000), known_at_ms=pl.lit(START + HOUR)
    )
    today = sorted_rows(pl.concat([late, clean_day(FIRST, rows=60)[1:]]))
    early = {"known_at_ms": START, **changes}
    yesterday = late.with_columns(pl.lit(value, dtype=late.schema[name]).alias(name) for name, value in early.items())
    return today, yesterday


def yesterdays(today: pl.DataFrame, yesterday: pl.DataFrame) -> pl.DataFrame:
    keys = today.filter(pl.col("event_time_ms") <= START).select(KEY)
    return arrived_before(keys, yesterday.lazy(), RowContext(RowRulesConfig(), START - 24 * HOUR, START))


def test_a_row_that_arrived_the_day_before_wins() -> None:
    today, yesterday = late_copy()
    sound, reasons = survivors(today, yesterdays(today, yesterday))
    assert reasons == {"key_duplicate": 1}
    assert sound.height == 59


def test_an_unsound_row_of_the_day_before_does_not_win_over_a_sound_one() -> None:
    today, yesterday = late_copy(watch_ms=-1)
    assert survivors(today, yesterdays(today, yesterday))[1] == {}


def test_of_two_unsound_rows_the_one_of_the_day_before_wins() -> None:
    today, yesterday = late_copy(duration_ms=0)
    today = today.with_columns(duration_ms=pl.when(pl.int_range(pl.len()) == 0).then(0).otherwise("duration_ms"))
    assert survivors(today, yesterdays(today, yesterday))[1] == {"key_duplicate": 1}


def test_key_order_is_checked() -> None:
    frame = clean_day(FIRST, rows=60)
    assert not key_order_broken(frame)
    assert key_order_broken(frame[::-1])
    tied = pl.concat([frame[:1], frame[:1]]).with_columns(user_id=pl.Series([2, 1]))
    assert key_order_broken(tied)
    assert not key_order_broken(pl.concat([frame[:1].with_columns(user_id=None), frame], how="vertical_relaxed"))
