"""Categories and tags: text, whatever the column's type."""

from collections.abc import Sequence

import polars as pl

from tasks.ingest.columns.reading import Reading


def category(source: str, dtype: pl.DataType | None = None) -> pl.Expr:
    """Return a column as text: "1.0" becomes "1", a list its values joined by commas, nothing stays null.

    Args:
        source: its name.
        dtype: its type in the file; None: text.
    """
    value = pl.col(source)
    if isinstance(dtype, (pl.List, pl.Array)):
        values = value.arr.to_list() if isinstance(dtype, pl.Array) else value
        joined = values.list.drop_nulls().list.eval(_text(pl.element(), dtype.inner)).list.join(",")  # type: ignore[arg-type]
        return pl.when(joined != "").then(joined).alias(source)
    return _text(value, dtype).alias(source)


def tags(source: str, dtype: pl.DataType) -> Reading:
    """Return the reading of a column of tags: text, or a list of them; anything but records and bytes is one tag."""
    if isinstance(dtype, pl.Struct) or dtype == pl.Object():
        return Reading.of_no_type(source, dtype, pl.String(), "tags are text, or lists of text")
    return Reading(source, pl.col(source), category(source, dtype), pl.lit(False))


def context(source: str, dtype: pl.DataType) -> Reading:
    """Return the reading of a category of impressions: text, whatever the type; records are none."""
    if isinstance(dtype, pl.Struct) or dtype == pl.Object():
        return Reading.of_no_type(source, dtype, pl.String(), "records are no category: map their fields")
    return Reading(source, pl.col(source), category(source, dtype), pl.lit(False))


def scene(source: str, dtype: pl.DataType, names: Sequence[str]) -> Reading:
    """Return the reading of a column of scenes that have names: a scene is the place of its name in the list.

    Args:
        source: its name.
        dtype: its type in the file.
        names: the scenes that exist; others are -1, which validation quarantines as unknown.
    """
    text = category(source, dtype)
    places = {name: place for place, name in enumerate(names)}
    place = text.replace_strict(places, default=-1, return_dtype=pl.Int16())
    return Reading(source, pl.col(source), pl.when(text.is_not_null()).then(place), pl.lit(False))


def _text(value: pl.Expr, dtype: pl.DataType | None) -> pl.Expr:
    if dtype is not None and dtype.is_float():
        value = value.fill_nan(None)
    text = value.cast(pl.String(), strict=False)
    return text.str.replace(r"^(-?\d+)\.0+$", "$1")
