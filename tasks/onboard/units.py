"""Units of numbers that name none, from what such numbers can be: no log is of 1970, no short video lasts ten hours."""

import polars as pl

from tasks.ingest.columns.instant import unit_of_times
from tasks.ingest.columns.length import UNITS_PER_S

_LONGEST_S = 1000
_FORMATS = (
    "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M",
    "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y%m%d%H%M%S", "%Y%m%d %H:%M:%S", "%d-%m-%Y %H:%M:%S",
)  # fmt: skip


def numbers(values: pl.Series) -> pl.Series:
    """Return the numbers of a column, of text too."""
    wanted = values.cast(pl.Float64, strict=False) if values.dtype.is_numeric() or values.dtype == pl.String else None
    return pl.Series([], dtype=pl.Float64) if wanted is None else wanted.drop_nulls().drop_nans()


def median(values: pl.Series) -> float | None:
    """Return the median of the positive numbers of a column; None if it holds none."""
    found = numbers(values)
    middle = found.filter(found > 0).median()
    return float(middle) if isinstance(middle, int | float) else None


def time_unit(values: pl.Series) -> str | None:
    """Return the unit in which most numbers are times of this century; None if there is none, or they are no numbers."""
    return unit_of_times(numbers(values))


def time_format(values: pl.Series) -> str | None:
    """Return the form of times in text that is not ISO 8601; None if it is, or if no form fits all of them."""
    if values.dtype != pl.String:
        return None
    texts = values.drop_nulls().head(2000)
    if texts.str.contains(r"^\d{4}-\d{2}-\d{2}").mean() == 1:
        return None
    for form in _FORMATS:
        if len(texts) and texts.str.to_datetime(form, strict=False).null_count() == 0:
            return form
    return None


def length_unit(values: pl.Series) -> str | None:
    """Return the unit in which the median of some lengths is that of a short video; None if they are no numbers."""
    middle = median(values)
    if middle is None:
        return None
    return next((unit for unit, per_second in UNITS_PER_S.items() if middle <= _LONGEST_S * per_second), "ns")
