"""Pieces of neighbouring codes by byte-pair encoding: codes that often stand together become one row
(docs/methods/representation.md#pieces-of-codes).

Shapes: V videos, L levels, P pieces.
"""

from collections.abc import Sequence

import numpy as np

from tasks.table.items.scheme import FIELD, Ids, IdScheme
from tasks.table.items.tokenizer import Codes

_INSIDE = -1
"""Of a level at which no piece begins, since one that began before reaches over it."""
_INSIDE_ROW, _FIRST_ROW = 1, 2
"""Rows of a field: 0 is unknown, 1 inside a piece, and then come pieces."""
_OFTEN = 2
"""Videos of the fit days in which two pieces stand together, before they are joined."""


class BpeScheme(IdScheme):
    """A field a level: the piece that begins there. At most as many pieces are joined as there are codewords.

    Args:
        sizes: codewords of every level.
        fitted_VL: codes of the videos of the fit days; each counts once.
    """

    def __init__(self, sizes: Sequence[int], fitted_VL: Codes) -> None:
        super().__init__(sizes, fitted_VL)
        self._first_L = np.cumsum([0, *self.sizes[:-1]])
        self._begin_P = np.repeat(np.arange(len(self.sizes)), self.sizes).tolist()
        self._length_P = [1] * len(self._begin_P)
        self._joins: list[tuple[int, int]] = []
        distinct_VL, count_V = np.unique(fitted_VL, axis=0, return_counts=True)
        piece_VL = self._first_L + distinct_VL.astype(np.int64)
        for _ in range(sum(self.sizes)):
            if (pair := self._most_frequent(piece_VL, count_V)) is None:
                break
            self._add(*pair)
            self._join(piece_VL, len(self._begin_P) - 1, *pair)
        begin_P = np.array(self._begin_P)
        self._row_P = np.empty(len(begin_P), dtype=np.int32)
        for level in range(len(self.sizes)):
            here = begin_P == level
            self._row_P[here] = _FIRST_ROW + np.arange(here.sum())

    @property
    def fields(self) -> tuple[tuple[str, int], ...]:
        pieces_L = np.bincount(self._begin_P)
        return tuple((f"{FIELD}_from_{level + 1}", _FIRST_ROW + int(pieces)) for level, pieces in enumerate(pieces_L))

    def lookup(self, codes_VL: Codes) -> Codes:
        piece_VL = self._first_L + codes_VL.astype(np.int64)
        for number, pair in enumerate(self._joins, start=sum(self.sizes)):
            self._join(piece_VL, number, *pair)
        return np.where(piece_VL == _INSIDE, np.int32(_INSIDE_ROW), self._row_P[piece_VL])

    def _most_frequent(self, piece_VL: Ids, count_V: Ids) -> tuple[int, int] | None:
        """Return the neighbours that stand together in most videos, of equal ones those of the smallest numbers; None: all are rare."""
        length_P, levels = np.array(self._length_P), piece_VL.shape[1]
        video, level = np.nonzero(piece_VL != _INSIDE)
        left = piece_VL[video, level]
        after = level + length_P[left]
        has_next = after < levels
        video, left, after = video[has_next], left[has_next], after[has_next]
        pairs, place = np.unique(left * len(length_P) + piece_VL[video, after], return_inverse=True)
        videos = np.bincount(place, weights=count_V[video])
        if not len(pairs) or videos.max() < _OFTEN:
            return None
        best = int(pairs[videos.argmax()])
        return best // len(length_P), best % len(length_P)

    def _add(self, left: int, right: int) -> None:
        self._joins.append((left, right))
        self._begin_P.append(self._begin_P[left])
        self._length_P.append(self._length_P[left] + self._length_P[right])

    def _join(self, piece_VL: Ids, number: int, left: int, right: int) -> None:
        """Put a piece in the place of the two that it joins, wherever they stand."""
        begin, after = self._begin_P[left], self._begin_P[right]
        together = (piece_VL[:, begin] == left) & (piece_VL[:, after] == right)
        piece_VL[together, begin] = number
        piece_VL[together, after] = _INSIDE
