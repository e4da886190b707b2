"""Identifiers of any type, each kept apart from every other, as whole numbers that need no table to be made.

The code of an identifier depends on its text alone, so it is the same on every day and in every workspace. A number that
is not negative and below 2^63 is its own code ("7", and 7.0 and "7.0" as a spreadsheet or pandas writes it after a gap);
anything else ("007", UUIDs, hashes beyond 2^63) has a negative code of 63 bits of BLAKE2b. Ingest keeps the text of
negative codes beside the rows and refuses two texts of one code; scores are written with the text.
"""

import hashlib
from typing import Any

import numpy as np
import polars as pl

from tasks.ingest.columns.reading import Reading

_NUMBER = r"^(0|[1-9][0-9]{0,18})(?:\.0+)?$"
_FRACTION = r"^[+-]?[0-9]+\.[0-9]*[1-9][0-9]*$"
_E_NOTATION = r"^[+-]?[0-9](\.[0-9]+)?[eE]\+[0-9]+$"
_EXACT_FLOAT32, _EXACT_FLOAT64 = 2**24, 2**53
"""Whole numbers beyond these are rounded in a column of that type."""

_NO_IDENTIFIER = "identifiers are text or whole numbers: map another column, or deliver this one as text or int64"


def codes(texts: pl.Series) -> pl.Series:
    """Return the codes of identifiers given as text; null where there is none.

    Args:
        texts: String; an empty text is no identifier.

    Returns:
        Int64.
    """
    numbers = texts.str.extract(_NUMBER).cast(pl.Int64(), strict=False)
    others = (numbers.is_null() & texts.is_not_null() & (texts != "")).arg_true()
    return numbers.scatter(others, _hashes(texts.gather(others))) if len(others) else numbers


def _hashes(texts: pl.Series) -> pl.Series:
    digests = b"".join(
        [
            hashlib.blake2b(text, digest_size=8, person=b"dwell id").digest()
            for text in texts.cast(pl.Binary()).to_list()
        ]
    )
    return pl.Series(-1 - (np.frombuffer(digests, dtype=">u8") >> np.uint64(1)).astype(np.int64))


def identity(source: str, dtype: pl.DataType) -> Reading:
    """Return the reading of a column of identifiers.

    Args:
        source: its name.
        dtype: its type in the file. Fractions, numbers that the type has rounded, and types that name nothing (flags,
            times, lists) are wrong.
    """
    given = pl.col(source)
    text, wrong = as_text(source, dtype), pl.lit(False)
    if text is None:
        return Reading.of_no_type(source, dtype, pl.Int64(), _NO_IDENTIFIER)
    if dtype.is_float():
        exact = _EXACT_FLOAT32 if dtype == pl.Float32() else _EXACT_FLOAT64
        real = given.fill_nan(None)
        wrong = (real.is_infinite() | (real != real.round()) | (real.abs() > exact)).fill_null(False)
    elif not dtype.is_integer() and dtype != pl.Binary():
        wrong = (text.str.contains(_FRACTION) | text.str.contains(_E_NOTATION)).fill_null(False)
    number = given.cast(pl.Int64(), strict=False) if dtype.is_integer() or dtype.is_float() else None
    encoded = _encoded(text if number is None else pl.when(number.is_null() | (number < 0)).then(text))
    value = encoded if number is None else pl.when(number >= 0).then(number).otherwise(encoded)
    value = pl.when(~wrong).then(value)
    return Reading(source, given, value, wrong, _remedy, written=text)


def as_text(source: str, dtype: pl.DataType) -> pl.Expr | None:
    r"""Return the text of a column of identifiers, null where it is empty; None if its type can hold none.

    Bytes are their text, or, where they are none, `\x` and their hexadecimal digits.
    """
    value = pl.col(source)
    if dtype == pl.Null():
        return value.cast(pl.String())
    if dtype.is_float():
        return value.cast(pl.Int64(), strict=False).cast(pl.String())
    if dtype == pl.Binary():
        return value.map_batches(_texts_of_bytes, return_dtype=pl.String(), is_elementwise=True)
    if dtype.is_integer() or dtype.is_decimal() or dtype in (pl.String, pl.Categorical, pl.Enum):
        text = value.cast(pl.String())
        return pl.when(text != "").then(text)
    return None


def _texts_of_bytes(values: pl.Series) -> pl.Series:
    texts = [None if value is None else _text_of_bytes(value) for value in values]
    return pl.Series(values.name, texts, dtype=pl.String())


def _text_of_bytes(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    return (text if text.isprintable() else f"\\x{value.hex()}") or None


def _encoded(text: pl.Expr) -> pl.Expr:
    return text.map_batches(codes, return_dtype=pl.Int64(), is_elementwise=True)


def _remedy(found: Any) -> str:
    if isinstance(found, str) and "e" in found.lower():
        return "E notation has lost digits of it: export the column as text, not from a spreadsheet"
    if isinstance(found, float) and found.is_integer():
        return "a fractional type has rounded numbers of this size: deliver the column as int64 or text"
    return _NO_IDENTIFIER


def whole_number(source: str) -> pl.Expr:
    """Return a text column of an official layout as identifiers, which are numbers there ("7", "7.0"); null elsewhere."""
    return pl.col(source).str.replace(r"\.0+$", "").cast(pl.Int64(), strict=False)
