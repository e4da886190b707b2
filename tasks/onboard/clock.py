"""How a log tells the time: in one column or in two, and in which zone."""

import re
from collections.abc import Mapping

import polars as pl

Source = str | tuple[str, str]
"""A column of a file, or one of dates and one of times of day."""
_DATE = r"^\s*(\d{4}[-/.]?\d{1,2}[-/.]?\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})\s*$"
_TIME_OF_DAY = r"^\s*\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s*$"
_OFFSET = r"\d{2}:\d{2}.*?(Z|z|UTC|GMT|[+-]\d{2}:?\d{2})\s*$"
_UTC = ("Z", "z", "UTC", "GMT", "+00:00", "+0000", "-00:00", "-0000")


def values_of(rows: pl.DataFrame, source: Source) -> pl.Series:
    """Return the values of a column, or those of two joined by a blank."""
    if isinstance(source, str):
        return rows[source]
    return rows.select(pl.concat_str(source, separator=" ").alias(" and ".join(source))).to_series()


def paired(rows: pl.DataFrame, mapping: Mapping[str, str]) -> Source | None:
    """Return what the time of an event is read from, where one column holds days only or times of day only.

    Args:
        rows: of a log.
        mapping: contract column -> column of the file; others are free to be the other half.
    """
    found = mapping.get("event_time_ms")
    if found is None or not (_is_date(rows[found]) or _is_time_of_day(rows[found])):
        return found
    wanted = _is_time_of_day if _is_date(rows[found]) else _is_date
    free = [name for name in rows.columns if name not in mapping.values() and wanted(rows[name])]
    if not free:
        return found
    return (found, free[0]) if wanted is _is_time_of_day else (free[0], found)


def zone_of(values: pl.Series) -> tuple[str | None, str]:
    """Return the zone that times name, where it is one with midnights of its own, and what was seen.

    Args:
        values: times as the log writes them.
    """
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone not in (None, "UTC", "Etc/UTC"):
        return values.dtype.time_zone, f"the type of {values.name} says so"
    if values.dtype != pl.String:
        return None, "the log names no zone"
    offsets = sorted(values.str.extract(_OFFSET).drop_nulls().unique())
    if not offsets:
        return None, "the log names no zone"
    said = f"{values.name} is written with {', '.join(offsets[:3])}"
    hours = re.fullmatch(r"([+-])(\d{2}):?00", offsets[0])
    if len(offsets) > 1 or offsets[0] in _UTC or hours is None:
        return None, said
    return f"Etc/GMT{'-' if hours[1] == '+' else '+'}{int(hours[2])}", f"{said}; a place's zone also knows summer time"


def _is_date(values: pl.Series) -> bool:
    return values.dtype == pl.Date or _all_match(values, _DATE)


def _is_time_of_day(values: pl.Series) -> bool:
    return values.dtype == pl.Time or _all_match(values, _TIME_OF_DAY)


def _all_match(values: pl.Series, pattern: str) -> bool:
    texts = values.drop_nulls().head(2000) if values.dtype == pl.String else pl.Series([], dtype=pl.String)
    return len(texts) > 0 and bool(texts.str.contains(pattern).all())
