"""Lengths of time: of a video, and of how long it was watched."""

from typing import Any, Literal

import polars as pl

from tasks.ingest.columns.reading import MEND, Reading

Unit = Literal["s", "ms", "us", "ns"]
UNITS_PER_S: dict[Unit, int] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_FARTHEST = 2**63 - 1024
"""An infinite length, which validation quarantines as it does every impossible one."""


def milliseconds(number: pl.Expr, dtype: pl.DataType, unit: Unit) -> pl.Expr:
    """Return numbers of a unit, or text that holds such, in whole milliseconds; null where there is none.

    Numbers too large for the result become the largest there is.
    """
    per_s = UNITS_PER_S[unit]
    if dtype.is_integer():
        whole = number.clip(upper_bound=_FARTHEST).cast(pl.Int64()) if dtype == pl.UInt64() else number.cast(pl.Int64())
        if unit == "s":
            return whole.clip(-_FARTHEST // 1000, _FARTHEST // 1000) * 1000
        return whole // (per_s // 1000)
    value = number.cast(pl.Float64(), strict=False)
    value = value * 1000 if unit == "s" else value / (per_s // 1000)
    return value.clip(-_FARTHEST, _FARTHEST).round().cast(pl.Int64(), strict=False)


def length(source: str, dtype: pl.DataType, unit: Unit, unit_key: str) -> Reading:
    """Return the reading of a column of lengths.

    Args:
        source: its name.
        dtype: its type in the file. A duration says its own unit; not-a-number is nothing given.
        unit: of numbers.
        unit_key: where the unit is set, for messages.
    """
    given = pl.col(source)
    if isinstance(dtype, pl.Duration):
        return Reading.where_null(source, given.dt.total_milliseconds())
    if not (dtype.is_numeric() or dtype in (pl.String, pl.Null)):
        remedy = f"lengths are numbers, in the unit that {unit_key} names, or durations"
        return Reading.of_no_type(source, dtype, pl.Int64(), remedy)
    if dtype.is_float():
        given = given.fill_nan(None)
    value = milliseconds(given, dtype, unit)

    def remedy_of(found: Any) -> str:
        if isinstance(found, str) and ":" in found:
            return f"write lengths as numbers, in the unit that {unit_key} names"
        return MEND

    return Reading(source, given, value, given.is_not_null() & value.is_null(), remedy_of)
