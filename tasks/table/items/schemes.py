"""Which rows of the embedding table the codes of a video look up: one class a scheme, in one registry
(docs/methods/representation.md#embedding-schemes).

Shapes: V videos, L levels, F fields of the scheme.
"""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from tasks.table.items.bpe import BpeScheme
from tasks.table.items.scheme import FIELD, Ids, IdScheme
from tasks.table.items.tokenizer import Codes
from tasks.table.vocabulary import UNKNOWN


class RqScheme(IdScheme):
    """One row for every code of every level: the model is free to add them up."""

    @property
    def fields(self) -> tuple[tuple[str, int], ...]:
        return tuple((_named([level]), size + 1) for level, size in enumerate(self.sizes))

    def lookup(self, codes_VL: Codes) -> Codes:
        return codes_VL + np.int32(1)


class CombinedScheme(IdScheme):
    """Fields of several levels: one row for every combination of their codes that a video of the fit days has; others are unknown."""

    def __init__(self, sizes: Sequence[int], fitted_VL: Codes) -> None:
        super().__init__(sizes, fitted_VL)
        self._combinations = [Combination(levels, self.sizes, fitted_VL) for levels in self.levels]

    @property
    @abstractmethod
    def levels(self) -> Sequence[Sequence[int]]:
        """Levels of every field, from 0."""

    @property
    def fields(self) -> tuple[tuple[str, int], ...]:
        return tuple((_named(of.levels), of.rows) for of in self._combinations)

    def lookup(self, codes_VL: Codes) -> Codes:
        return np.stack([of.lookup(codes_VL) for of in self._combinations], axis=1).astype(np.int32)


class PrefixScheme(CombinedScheme):
    """One row for every path from the root: (c1), (c1, c2) ..."""

    @property
    def levels(self) -> Sequence[Sequence[int]]:
        return [range(level + 1) for level in range(len(self.sizes))]


class BigramScheme(CombinedScheme):
    """One row for every two levels, (c1, c2), (c3, c4) ..., the last one alone if their number is odd."""

    @property
    def levels(self) -> Sequence[Sequence[int]]:
        return [range(level, min(level + 2, len(self.sizes))) for level in range(0, len(self.sizes), 2)]


class Combination:
    """The combinations of the codes of some levels that videos have, numbered in ascending order.

    Args:
        levels: from 0, in order.
        sizes: codewords of every level.
        fitted_VL: codes of the videos.
    """

    def __init__(self, levels: Sequence[int], sizes: Sequence[int], fitted_VL: Codes) -> None:
        self.levels, self._sizes = levels, sizes
        self._known: list[Ids] = []
        row_V = np.zeros(len(fitted_VL), dtype=np.int64)
        for level in levels:
            step_V = self._step(row_V, fitted_VL, level)
            self._known.append(np.unique(step_V))
            row_V = np.searchsorted(self._known[-1], step_V) + 1

    @property
    def rows(self) -> int:
        """Combinations, and the unknown one."""
        return len(self._known[-1]) + 1

    def lookup(self, codes_VL: Codes) -> Ids:
        """Return the row of every video, [V]; unknown from the level on at which it parts from all those known."""
        row_V = np.zeros(len(codes_VL), dtype=np.int64)
        is_known_V = np.ones(len(codes_VL), dtype=np.bool_)
        for level, known in zip(self.levels, self._known, strict=True):
            step_V = self._step(row_V, codes_VL, level)
            place_V = np.minimum(np.searchsorted(known, step_V), len(known) - 1)
            is_known_V &= known[place_V] == step_V
            row_V = np.where(is_known_V, place_V + 1, UNKNOWN)
        return row_V

    def _step(self, row_V: Ids, codes_VL: Codes, level: int) -> Ids:
        """Return one number for the row of the levels so far and the next code; it never outgrows 64 bits."""
        step_V: Ids = row_V * self._sizes[level] + codes_VL[:, level]
        return step_V


def _named(levels: Sequence[int]) -> str:
    return "_".join([FIELD, *(str(level + 1) for level in levels)])


ID_SCHEMES: dict[str, type[IdScheme]] = {
    "rq": RqScheme,
    "prefix": PrefixScheme,
    "bigram": BigramScheme,
    "bpe": BpeScheme,
}
"""`table.items.kind` -> scheme."""
