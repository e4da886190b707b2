"""Times and days in a source's time zone, as Polars expressions over milliseconds since 1970 UTC."""

import datetime as dt

import polars as pl

from tasks.core.days import HOUR_MS


def _midnight_ms(year: int) -> int:
    return int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) * 1000


PLAUSIBLE_MS = (_midnight_ms(2000), _midnight_ms(2100))
"""No log of short videos was written before, or after: a clock that was never set, a sentinel, another unit."""
CALENDAR_MS = (_midnight_ms(1900), _midnight_ms(2200))
"""Instants that can be told apart as days; all others lie at its edges."""


def local_ms(naive: pl.Expr, timezone: str) -> pl.Expr:
    """Return the instant of a local date and time (of two such instants the earlier; of none, null)."""
    return naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null").dt.epoch("ms")


def end_of_hour(time_ms: pl.Expr, timezone: str) -> pl.Expr:
    """Return the end of the local hour that an instant lies in: when an hourly log is closed."""
    offset = _local(time_ms, timezone).dt.replace_time_zone(None).dt.epoch("ms") - time_ms
    return time_ms - (time_ms + offset) % HOUR_MS + HOUR_MS


def arrival_day(known_at_ms: pl.Expr, timezone: str) -> pl.Expr:
    """Return the local day a row arrives on; what is known at midnight arrived on the day that ends there."""
    return _local(known_at_ms - 1, timezone).dt.date()


def implausible(time_ms: pl.Expr) -> pl.Expr:
    """Tell instants at which no log was written; null where there is none."""
    return ~time_ms.is_between(*PLAUSIBLE_MS, closed="left")


def _local(time_ms: pl.Expr, timezone: str) -> pl.Expr:
    return pl.from_epoch(time_ms, time_unit="ms").dt.replace_time_zone("UTC").dt.convert_time_zone(timezone)
