"""Stores every (user, state day) sequence that rows of an arrival day read once, and numbers the rows' sequences."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.table.past import Past
from tasks.table.preprocessor import Preprocessor

Array = NDArray[Any]
EMPTY = 0
"""Sequence of users without history."""
HISTORY = "history"
"""Folder of the sequences, below that of the rows that read them."""
HISTORY_INDEX = "history_index"
"""Column of rows: the sequence that each reads."""


class DayHistories:
    """The sequences that the rows of one arrival day may read.

    Args:
        past: what users did, and the catalogue of the videos.
        preprocessor: encodes them.
        first_index: number that the first sequence stored here gets.
    """

    def __init__(self, past: Past, preprocessor: Preprocessor, first_index: int) -> None:
        self._past, self._preprocessor = past, preprocessor
        self._next = first_index
        self._frames: dict[dt.date, pl.DataFrame | None] = {}
        self._stored: dict[dt.date, NDArray[np.int32]] = {}

    @property
    def next_index(self) -> int:
        """Number of the next sequence."""
        return self._next

    def index(self, user_id: pl.Series, day: pl.Series) -> tuple[NDArray[np.int32], dict[str, Array] | None]:
        """Return every row's sequence number, and the sequences not stored before, in number order."""
        numbers = np.full(len(user_id), EMPTY, dtype=np.int32)
        fresh: list[dict[str, Array]] = []
        users, days = user_id.to_numpy(), day.to_numpy()
        for value in day.unique().sort().to_list():
            here = np.flatnonzero(days == np.datetime64(value))
            numbers[here], encoded = self._of_day(value, users[here])
            fresh += encoded
        return numbers, _join(fresh)

    def _of_day(self, day: dt.date, users: NDArray[np.int64]) -> tuple[NDArray[np.int32], list[dict[str, Array]]]:
        frame = self._frame(day)
        if frame is None or frame.is_empty():
            return np.full(len(users), EMPTY, dtype=np.int32), []
        known, stored = frame["user_id"].to_numpy(), self._stored[day]
        place = np.minimum(np.searchsorted(known, users), len(known) - 1)
        found = known[place] == users
        new = np.unique(place[found & (stored[place] == EMPTY)])
        encoded = [self._preprocessor.encode_history(frame[new], self._past)] if len(new) else []
        stored[new] = np.arange(self._next, self._next + len(new), dtype=np.int32)
        self._next += len(new)
        return np.where(found, stored[place], EMPTY), encoded

    def _frame(self, day: dt.date) -> pl.DataFrame | None:
        if day not in self._frames:
            frame = self._frames[day] = self._past.histories(day)
            self._stored[day] = np.full(0 if frame is None else frame.height, EMPTY, dtype=np.int32)
        return self._frames[day]


def _join(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array] | None:
    if not parts:
        return None
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
