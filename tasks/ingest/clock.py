"""Times and days in a source's time zone, as Polars expressions over milliseconds since 1970 UTC."""

from typing import Literal

import polars as pl

HOUR_MS = 3_600_000
Unit = Literal["s", "ms"]


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


def instant_ms(column: str, dtype: pl.DataType, unit: Unit, timezone: str) -> pl.Expr:
    """Return the instants in a column of numbers, timestamps, dates or text; null where a value is no time.

    Args:
        column: its name.
        dtype: its type in the file.
        unit: of numbers, and of text that holds a number.
        timezone: of timestamps and text, which name none.
    """
    value = pl.col(column)
    if isinstance(dtype, pl.Datetime):
        return value.dt.epoch("ms") if dtype.time_zone else local_ms(value, timezone)
    if dtype == pl.Date():
        return local_ms(value.cast(pl.Datetime("ms")), timezone)
    if dtype == pl.String():
        written = value.str.replace("T", " ", literal=True).str.to_datetime(
            "%Y-%m-%d %H:%M:%S%.f", time_unit="ms", strict=False
        )
        return milliseconds(column, dtype, unit).fill_null(local_ms(written, timezone))
    return milliseconds(column, dtype, unit)


def milliseconds(column: str, dtype: pl.DataType, unit: Unit) -> pl.Expr:
    """Return a column of numbers, or of text that holds numbers, in whole milliseconds; null where it is no number."""
    value = pl.col(column)
    factor = 1000 if unit == "s" else 1
    if dtype.is_integer():
        return value.cast(pl.Int64(), strict=False) * factor
    return (value.cast(pl.Float64(), strict=False) * factor).round().cast(pl.Int64(), strict=False)


def _local(time_ms: pl.Expr, timezone: str) -> pl.Expr:
    return pl.from_epoch(time_ms, time_unit="ms").dt.replace_time_zone("UTC").dt.convert_time_zone(timezone)
