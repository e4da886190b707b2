"""Which columns of encoded rows trees read: all dense features, and the fields with few levels as categories.

Shapes: B rows, F fields of the table, N dense features.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.schema import InputSchema
from tasks.core.errors import TrainingError
from tasks.table.columns import Array

IDENTIFIERS = ("user_id", "video_id", "author_id", "music_id")
"""Fields that are never split, however few levels they have: trees learn nothing from one that lasts."""


@dataclass(frozen=True)
class TreeColumns:
    """How encoded rows become a matrix.

    Attributes:
        numbers: names of the dense features, which come first.
        fields: names of the categorical columns.
        places: place of each field among the F fields of the table.
        starts: packed row at which each field begins.
        number_places: place of each number among the dense features of the table.
    """

    numbers: tuple[str, ...]
    fields: tuple[str, ...]
    places: tuple[int, ...]
    starts: tuple[int, ...]
    number_places: tuple[int, ...]

    @classmethod
    def of(cls, schema: InputSchema, max_categories: int, apart: Collection[str] = ()) -> Self:
        """Choose the columns; sensitive ones are none of them.

        Args:
            schema: of the table.
            max_categories: fields with more levels are left out.
            apart: fields and features that move exposure and not preference.

        Raises:
            TrainingError: if none is left.
        """
        sensitive = dict(schema.sensitive)
        never = (*IDENTIFIERS, *apart, *sensitive)
        chosen = tuple(name for name, size in schema.fields if size <= max_categories + 1 and name not in never)
        numbers = tuple(name for name in schema.dense_names if name not in sensitive)
        if not chosen and not numbers:
            raise TrainingError(
                f"trees read dense features and fields of at most {max_categories} levels, and the table encodes neither: "
                "name some in table.dense or table.categorical, or raise the recipe's max_categories"
            )
        return cls.named(schema, numbers, chosen)

    @classmethod
    def named(cls, schema: InputSchema, numbers: tuple[str, ...], fields: tuple[str, ...]) -> Self:
        """Return columns that were chosen before."""
        known = schema.names
        places = tuple(known.index(name) for name in fields)
        starts = tuple(schema.offsets[place] for place in places)
        return cls(numbers, fields, places, starts, tuple(schema.dense_names.index(name) for name in numbers))

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return (*self.numbers, *self.fields)

    @property
    def categorical(self) -> list[int]:
        """Positions of the categorical columns."""
        return list(range(len(self.numbers), len(self.names)))

    def matrix(self, columns: Mapping[str, Array]) -> NDArray[np.float32]:
        """Return [B, columns] of encoded rows (`ids` [B, F], `dense` [B, N]); unknown levels are 0."""
        codes = columns["ids"][:, list(self.places)] - np.asarray(self.starts, dtype=np.int32)
        numbers = columns["dense"][:, list(self.number_places)]
        return np.concatenate([numbers, codes.astype(np.float32)], axis=1, dtype=np.float32)
