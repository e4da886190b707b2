"""Instants: numbers of any unit, ISO 8601 and other text, timestamps and dates of any type, in whole milliseconds."""

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tasks.core.errors import SourceError
from tasks.ingest.clock import CALENDAR_MS, PLAUSIBLE_MS, local_ms
from tasks.ingest.columns.length import UNITS_PER_S, Unit, milliseconds
from tasks.ingest.columns.reading import Reading

_ISO = (
    r"^\s*(\d{4})[-/](\d{2})[-/](\d{2})(?:[T ](\d{2}:\d{2})(:\d{2}(?:[.,]\d+)?)?)?"
    r"\s*(Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?\s*$"
)
_PLAIN_NUMBER = r"^\s*([+-]?\d+(?:\.\d*)?)\s*$"
_DIGITS = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M", 8: "%Y%m%d"}
"""Digits of a date written as one number -> its format."""
_SAMPLE = 10_000


@dataclass(frozen=True)
class TimeForm:
    """How times are written in some files.

    Attributes:
        timezone: of text and timestamps that name none.
        unit: of numbers; None: the one unit in which most of them lie in this century.
        format: of text, as strftime has it; None: ISO 8601.
    """

    timezone: str
    unit: Unit | None = None
    format: str | None = None


def instant(
    sources: Sequence[str],
    schema: Mapping[str, pl.DataType],
    form: TimeForm,
    sample: Callable[[], pl.Series],
    where: str,
) -> Reading:
    """Return the reading of a column of instants, or of a column of dates and one of times of day.

    Args:
        sources: its name, or both names.
        schema: types of the file's columns.
        form: how times are written.
        sample: returns the column's first values; called where a unit must be found or confirmed.
        where: the file and the block of the configuration, for messages.

    Raises:
        SourceError: if numbers make sense in no unit, or in another than was declared.
    """
    if len(sources) == 2:
        names = " and ".join(sources)
        given = pl.concat_str(*(_date_or_time(name, schema[name]) for name in sources), separator=" ")
        return _reading(names, given, _text(given, form), form)
    (source,) = sources
    dtype, value = schema[source], pl.col(source)
    if isinstance(dtype, pl.Datetime):
        return _reading(
            source, value, value.dt.epoch("ms") if dtype.time_zone else local_ms(value, form.timezone), form
        )
    if dtype == pl.Date():
        return _reading(source, value, local_ms(value.cast(pl.Datetime("ms")), form.timezone), form)
    if dtype in (pl.Categorical, pl.Enum):
        dtype, value = pl.String(), value.cast(pl.String())
    if dtype == pl.String():
        written = _text(value, form)
        if form.format is None:
            unit = _unit(source, sample().cast(pl.String()).str.strip_chars(), form, where)
            written = pl.coalesce(milliseconds(value.str.extract(_PLAIN_NUMBER), dtype, unit), written)
        return _reading(source, value, written, form)
    if dtype == pl.Null():
        return _reading(source, value, value.cast(pl.Int64()), form)
    if not dtype.is_numeric():
        return Reading.of_no_type(source, dtype, pl.Int64(), "times are numbers, timestamps, dates or text")
    number = value.fill_nan(None) if dtype.is_float() else value
    if form.format is not None:
        return _reading(source, number, _text(number.cast(pl.Int64(), strict=False).cast(pl.String()), form), form)
    return _reading(source, number, milliseconds(number, dtype, _unit(source, sample(), form, where)), form)


def _reading(source: str, given: pl.Expr, value: pl.Expr, form: TimeForm) -> Reading:
    # What no calendar holds is moved to its edge, where it still is implausible.
    known = value.clip(*CALENDAR_MS)
    return Reading(source, given, known, given.is_not_null() & value.is_null(), lambda found: _remedy(found, form))


def _remedy(found: Any, form: TimeForm) -> str:
    text = str(found)
    if re.fullmatch(r"\s*[+-]?\d+(\.\d*)?[eE][+-]?\d+\s*", text):
        return "E notation has lost the last digits of the time: export the column as whole numbers, not from a spreadsheet"
    if form.format is not None:
        return f"it is not of time_format {form.format!r}: mend the format, or the row"
    if re.match(r"\d{4}[-/]\d{2}[-/]\d{2}", text.strip()):
        return f"there is no such moment in {form.timezone} (clocks may skip that hour): mend the row, or set timezone"
    if re.match(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}", text.strip()):
        return "state in time_format which is the day and which the month, for example '%d/%m/%Y %H:%M:%S'"
    return "times are numbers since 1970, timestamps, ISO 8601, or of the form that time_format states"


def _date_or_time(source: str, dtype: pl.DataType) -> pl.Expr:
    value = pl.col(source)
    if isinstance(dtype, pl.Datetime):
        return value.dt.strftime("%Y-%m-%d")
    if dtype == pl.Time():
        return value.dt.strftime("%H:%M:%S%.f")
    if dtype.is_integer() or dtype.is_float():
        return value.cast(pl.Int64(), strict=False).cast(pl.String())
    return value.cast(pl.String())


def _text(value: pl.Expr, form: TimeForm) -> pl.Expr:
    """Return the instants in text; null where it is none."""
    if form.format is not None:
        written = value.str.strip_chars().str.to_datetime(form.format, time_unit="ms", strict=False)
        return written.dt.epoch("ms") if "%z" in form.format else local_ms(written, form.timezone)
    parts = [value.str.extract(_ISO, group) for group in range(1, 7)]
    date = pl.concat_str(*parts[:3], separator="-")
    time = parts[3].fill_null("00:00") + parts[4].str.replace(",", ".", literal=True).fill_null(":00")
    naive = pl.concat_str(date, time, separator=" ").str.to_datetime(
        "%Y-%m-%d %H:%M:%S%.f", time_unit="ms", strict=False
    )
    offset = parts[5]
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    hours = offset.str.extract(r"^[+-](\d{2})").cast(pl.Int64(), strict=False).fill_null(0)
    minutes = offset.str.extract(r"^[+-]\d{2}:?(\d{2})").cast(pl.Int64(), strict=False).fill_null(0)
    universal = naive.dt.epoch("ms") - sign * (hours * 60 + minutes) * 60_000
    return pl.when(offset.is_null()).then(local_ms(naive, form.timezone)).otherwise(universal)


def _unit(source: str, values: pl.Series, form: TimeForm, where: str) -> Unit:
    """Return the unit of numbers, found in a sample of them or confirmed by it.

    Raises:
        SourceError: naming a value and what it would be in each unit.
    """
    numbers = values.cast(pl.Float64(), strict=False)
    usable = _usable(numbers)
    if 2 * usable.sum() < len(values.drop_nulls()) or not usable.any():
        return form.unit or "ms"
    fitting = unit_of_times(numbers)
    if fitting is not None and form.unit in (None, fitting):
        return fitting
    first = values.filter(usable)[0]
    in_unit = {unit: moment(float(first) * 1000 / per_s) for unit, per_s in UNITS_PER_S.items()}
    digits = str(int(float(first)))
    if len(digits) in _DIGITS and fitting is None and re.match(r"(19|20)\d\d[01]\d[0-3]\d", digits):
        advice = f"it is a date written as a number: set time_format: '{_DIGITS[len(digits)]}'"
    elif fitting is not None:
        advice = f"set time_unit: {fitting}, in which it is {in_unit[fitting]}"
    else:
        advice = "no unit of time_unit makes it a time of this century: map the column that holds times"
    said = ", ".join(f"{when} in {unit}" for unit, when in in_unit.items())
    declared = f" read in time_unit {form.unit} it is {in_unit[form.unit]}" if form.unit else f" it would be {said}"
    raise SourceError(f"{where}: column {source!r} holds {first!r};{declared}: {advice}")


def unit_of_times(numbers: pl.Series) -> Unit | None:
    """Return the unit in which most numbers are times of this century, of which there is one at most."""
    known = numbers.filter(_usable(numbers))
    return next((unit for unit, per_s in UNITS_PER_S.items() if _mostly_plausible(known * 1000 / per_s)), None)


def _usable(numbers: pl.Series) -> pl.Series:
    return (numbers.is_finite() & (numbers != 0)).fill_null(False)


def _mostly_plausible(times_ms: pl.Series) -> bool:
    return 2 * times_ms.is_between(*PLAUSIBLE_MS, closed="left").sum() > len(times_ms)


def moment(time_ms: float) -> str:
    """Return an instant in words: its day, or its year where no calendar has it."""
    if CALENDAR_MS[0] <= time_ms < CALENDAR_MS[1]:
        return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=time_ms)).date().isoformat()
    return f"the year {1970 + int(time_ms / 31_556_952_000)}"


def first_values(frame: pl.LazyFrame, source: str) -> pl.Series:
    """Return the first values of a column."""
    return frame.select(pl.col(source)).head(_SAMPLE).collect().to_series()
