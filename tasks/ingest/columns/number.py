"""Whole numbers, flags, probabilities and policies."""

from dataclasses import replace

import polars as pl

from tasks.core.contract import POLICIES
from tasks.ingest.columns.reading import MEND, Reading

_YES, _NO = ("1", "true", "yes", "t", "y"), ("0", "false", "no", "f", "n")


def whole(source: str, dtype: pl.DataType, wanted: pl.DataType, remedy: str = MEND) -> Reading:
    """Return the reading of a column of whole numbers; fractions and numbers that do not fit are wrong."""
    if not (dtype.is_numeric() or dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Null)):
        return Reading.of_no_type(source, dtype, wanted, "deliver the column as whole numbers")
    value = pl.col(source)
    if dtype in (pl.Categorical, pl.Enum):
        value, dtype = value.cast(pl.String()), pl.String()
    given = value.fill_nan(None) if dtype.is_float() else value
    if dtype == pl.String():
        number = value.str.strip_chars().str.replace(r"\.0+$", "").cast(wanted, strict=False)
    elif dtype.is_float() or dtype.is_decimal():
        number = pl.when(given == given.round()).then(given).cast(wanted, strict=False)
    else:
        number = value.cast(wanted, strict=False)
    return Reading(source, given, number, given.is_not_null() & number.is_null(), lambda _: remedy)


def flag(source: str, dtype: pl.DataType) -> Reading:
    """Return the reading of a column of flags: 0 and 1, true and false, yes and no in any case, as text too.

    Other whole numbers are read as they are, for validation to quarantine; anything else is wrong.
    """
    text = dtype.is_(pl.String()) or dtype in (pl.Categorical, pl.Enum)
    number = whole(source, pl.String() if text else dtype, pl.Int8())
    if not text:
        return number
    written = pl.col(source).cast(pl.String())
    words = written.str.strip_chars().str.to_lowercase()
    said = pl.when(words.is_in(_YES)).then(1).when(words.is_in(_NO)).then(0).cast(pl.Int8())
    counted = words.str.replace(r"\.0+$", "").cast(pl.Int8(), strict=False)
    value = pl.coalesce(said, counted)
    return Reading(source, written, value, written.is_not_null() & value.is_null(), lambda _: "flags are 0 or 1")


def mark(source: str, dtype: pl.DataType) -> Reading:
    """Return the reading of a column that decides what a row is: as a flag is read, but other numbers are wrong too."""
    read = flag(source, dtype)
    neither = read.wrong | read.value.is_in([0, 1]).not_().fill_null(False)
    return replace(read, wrong=neither, remedy=lambda _: "it is 0 or 1")


def share(source: str, dtype: pl.DataType) -> Reading:
    """Return the reading of a column of probabilities."""
    if not (dtype.is_numeric() or dtype in (pl.String, pl.Null)):
        return Reading.of_no_type(source, dtype, pl.Float64(), "deliver the column as numbers")
    return Reading.where_null(source, pl.col(source).cast(pl.Float64(), strict=False))


def score(source: str, dtype: pl.DataType) -> Reading:
    """Return the reading of a sensitive column of numbers of any scale; those that are not finite are wrong, "nan" too.

    No message shows what the column holds.
    """
    given = pl.when(pl.col(source).is_not_null()).then(pl.lit("something that is not shown"))
    if not (dtype.is_numeric() or dtype in (pl.String, pl.Null)):
        return replace(Reading.of_no_type(source, dtype, pl.Float32(), "deliver the column as numbers"), given=given)
    number = pl.col(source).cast(pl.Float32(), strict=False)
    reading = Reading.where_null(source, pl.when(number.is_finite()).then(number), lambda _: "numbers are finite")
    return replace(reading, given=given)


def policy(source: str, dtype: pl.DataType) -> Reading:
    """Return the reading of a column of policies: their names, or whether exposure was random."""
    names = {name: name for name in POLICIES}
    for said, name in ((_NO, "standard"), (_YES, "random")):
        names |= dict.fromkeys(said, name)
    given = pl.col(source)
    if not (dtype.is_numeric() or dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Null)):
        return Reading.of_no_type(source, dtype, pl.String(), "name the policy, or say 0 or 1 for random exposure")
    words = given.cast(pl.String()).str.replace(r"\.0+$", "").str.to_lowercase()
    value = words.replace_strict(names, default=None, return_dtype=pl.String())
    return Reading.where_null(source, value, lambda _: f"policies are {', '.join(POLICIES)}, or 1 for random exposure")
