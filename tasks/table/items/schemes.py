"""Which rows of the embedding table the codes of a video look up: one class a scheme, in one registry
(docs/methods/representation.md#embedding-schemes).

Shapes: V videos, L levels, F fields of the scheme.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.table.items.tokenizer import Codes
from tasks.table.vocabulary import UNKNOWN

Ids = NDArray[np.int64]
FIELD = "content"
"""Begins the names of the fields."""


class IdScheme(ABC):
    """Turns codes into fields.

    Args:
        sizes: codewords of every level.
        fitted_VL: codes of the videos of the fit days.
    """

    def __init__(self, sizes: Sequence[int], fitted_VL: Codes) -> None:
        self.sizes, self.fitted_VL = tuple(sizes), fitted_VL

    @property
    @abstractmethod
    def fields(self) -> tuple[tuple[str, int], ...]:
        """Name and number of rows of every field, the unknown one included."""

    @abstractmethod
    def lookup(self, video_id_V: Ids, codes_VL: Codes) -> Codes:
        """Return [V, F] local rows, from 0 = unknown."""


class RqScheme(IdScheme):
    """One row for every code of every level: the model is free to add them up."""

    @property
    def fields(self) -> tuple[tuple[str, int], ...]:
        return tuple((f"{FIELD}_{level}", size + 1) for level, size in enumerate(self.sizes, start=1))

    def lookup(self, video_id_V: Ids, codes_VL: Codes) -> Codes:
        return codes_VL + np.int32(1)


class PrefixScheme(IdScheme):
    """One row for every path from the root that a video of the fit days took: (c1), (c1, c2) ...; others are unknown."""

    def __init__(self, sizes: Sequence[int], fitted_VL: Codes) -> None:
        super().__init__(sizes, fitted_VL)
        self._known: list[Ids] = []
        row_V = np.zeros(len(fitted_VL), dtype=np.int64)
        for level in range(len(sizes)):
            step_V = self._step(row_V, fitted_VL, level)
            self._known.append(np.unique(step_V))
            row_V = np.searchsorted(self._known[-1], step_V) + 1

    @property
    def fields(self) -> tuple[tuple[str, int], ...]:
        names = ["_".join(map(str, (FIELD, *range(1, level + 2)))) for level in range(len(self.sizes))]
        return tuple((name, len(known) + 1) for name, known in zip(names, self._known, strict=True))

    def lookup(self, video_id_V: Ids, codes_VL: Codes) -> Codes:
        rows_VF = np.empty(codes_VL.shape, dtype=np.int32)
        row_V = np.zeros(len(codes_VL), dtype=np.int64)
        for level, known in enumerate(self._known):
            step_V = self._step(row_V, codes_VL, level)
            place_V = np.minimum(np.searchsorted(known, step_V), len(known) - 1)
            is_known_V = (known[place_V] == step_V) & ((row_V != UNKNOWN) | (level == 0))
            row_V = np.where(is_known_V, place_V + 1, UNKNOWN)
            rows_VF[:, level] = row_V
        return rows_VF

    def _step(self, row_V: Ids, codes_VL: Codes, level: int) -> Ids:
        """Return one number for the row of the path so far and the next code."""
        step_V: Ids = row_V * self.sizes[level] + codes_VL[:, level]
        return step_V


class RandomScheme(RqScheme):
    """The control: every video looks up the codes of a fit-day video that a hash of its id draws, so only structure is lost."""

    def lookup(self, video_id_V: Ids, codes_VL: Codes) -> Codes:
        drawn_V = np.array([_drawn(int(video), len(self.fitted_VL)) for video in video_id_V], dtype=np.int64)
        return self.fitted_VL[drawn_V] + np.int32(1)


def _drawn(video: int, among: int) -> int:
    digest = hashlib.blake2b(video.to_bytes(8, "little", signed=True), digest_size=8).digest()
    return int.from_bytes(digest, "little") % among


ID_SCHEMES: dict[str, type[IdScheme]] = {"rq": RqScheme, "prefix": PrefixScheme, "random": RandomScheme}
"""`table.items.kind` -> scheme."""
