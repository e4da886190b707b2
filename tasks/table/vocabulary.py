"""Which embedding row a level of a categorical field has: sorted keys seen on fit days, everything else is row 0."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

UNKNOWN = 0
"""Local code of nulls, of unseen levels and of levels below the frequency floor."""


@dataclass(frozen=True)
class Vocabulary:
    """Levels of one field in sorted order; level i has local code i + 1.

    Attributes:
        field: name of the categorical field.
        keys: sorted distinct levels, integers or strings.
    """

    field: str
    keys: pl.Series

    @property
    def size(self) -> int:
        """Codes in use, the unknown one included."""
        return len(self.keys) + 1

    def encode(self, values: pl.Series) -> NDArray[np.int32]:
        """Return the local code of every value."""
        values = _comparable(values)
        if self.keys.dtype == pl.String:
            levels = values.cast(pl.String).cast(pl.Enum(self.keys), strict=False)
            return levels.to_physical().cast(pl.Int32).fill_null(-1).to_numpy() + np.int32(1)
        return self._encode_integers(values.cast(pl.Int64, strict=False))

    def _encode_integers(self, values: pl.Series) -> NDArray[np.int32]:
        known = ~values.is_null().to_numpy()
        numbers, keys = values.fill_null(0).to_numpy(), self.keys.to_numpy()
        if len(keys) == 0:
            return np.full(len(numbers), UNKNOWN, dtype=np.int32)
        place = np.minimum(np.searchsorted(keys, numbers), len(keys) - 1)
        return np.where(known & (keys[place] == numbers), place + 1, UNKNOWN).astype(np.int32)


class LevelCounter:
    """Counts the levels of one field over any number of chunks."""

    def __init__(self, field: str) -> None:
        self.field = field
        self.counts: pl.DataFrame | None = None

    def add(self, values: pl.Series) -> None:
        """Count the values of one chunk; nulls do not count."""
        chunk = pl.DataFrame({"key": _comparable(values)}).drop_nulls().group_by("key").len("count")
        self.add_counts(chunk.with_columns(pl.col("count").cast(pl.Int64)))

    def add_counts(self, counts: pl.DataFrame) -> None:
        """Add the `counts` of other rows."""
        parts = [counts] if self.counts is None else [self.counts, counts]
        self.counts = pl.concat(parts).group_by("key").agg(pl.col("count").sum())

    def vocabulary(self, min_count: int) -> Vocabulary:
        """Return the levels seen at least `min_count` times, sorted."""
        if self.counts is None:
            raise ValueError(f"no chunk of field {self.field!r} was counted")
        keys = self.counts.filter(pl.col("count") >= min_count)["key"].sort()
        return Vocabulary(self.field, keys.rename(self.field))


def pack(vocabularies: Iterable[Vocabulary]) -> dict[str, int]:
    """Return the first row of every field in the one packed embedding table."""
    offsets, begin = {}, 0
    for vocabulary in vocabularies:
        offsets[vocabulary.field] = begin
        begin += vocabulary.size
    return offsets


def _comparable(values: pl.Series) -> pl.Series:
    """Return integers as Int64 and everything textual as String, so that keys compare alike on every day."""
    if values.dtype.is_integer() or values.dtype == pl.Boolean:
        return values.cast(pl.Int64)
    return values.cast(pl.String)
