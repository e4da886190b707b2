"""Lists of rows, a user's day each, and an order of the epoch in which none of them is torn apart.

A shard is some lists that follow each other by day and user, so that the rows of one are near each other in the split.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tasks.features.buckets import local_time
from tasks.table.columns import open_column
from tasks.train.order import EpochOrder, Ints, ShardVisit

LONGEST = 64
"""Rows of a list at most; longer ones are cut into random parts of about equal size."""


@dataclass(frozen=True)
class Lists:
    """The rows of a split by list.

    Attributes:
        row_B: rows of the split, list after list, [rows].
        start_G: where lists begin in `row_B`, and the end of the last, [lists + 1].
    """

    row_B: Ints
    start_G: Ints

    @classmethod
    def of(cls, *keys: Ints) -> "Lists":
        """Return the lists of rows with equal keys, in ascending order of the first key, then of the next."""
        row_B = np.lexsort(keys[::-1])
        changes_B = np.any([np.diff(key[row_B]) != 0 for key in keys], axis=0)
        start_G = np.concatenate([[0], np.flatnonzero(changes_B) + 1, [len(row_B)]])
        return cls(row_B, start_G)

    def shuffled(self, batch_size: int, shard_rows: int, seed: int, epoch: int) -> EpochOrder:
        """Return the order of one epoch: lists shuffled inside their shard, as many in a batch as there is room for."""
        visits = tuple(self._visits(min(LONGEST, batch_size), shard_rows, np.random.PCG64([seed, epoch])))
        lists = np.concatenate([visit.lists for visit in visits if visit.lists is not None])
        ends = np.append(np.flatnonzero(np.diff(lists)) + 1, len(lists))
        return EpochOrder(visits, _packed(ends, batch_size))

    def _visits(self, longest: int, shard_rows: int, bits: np.random.PCG64) -> Iterator[ShardVisit]:
        generator = np.random.Generator(bits)
        shard_G = self.start_G[:-1] // shard_rows
        first_S = np.append(np.flatnonzero(np.diff(shard_G, prepend=-1)), len(shard_G))
        start = number = 0
        for shard in generator.permutation(len(first_S) - 1):
            chosen = generator.permutation(np.arange(first_S[shard], first_S[shard + 1]))
            length = self.start_G[chosen + 1] - self.start_G[chosen]
            place = np.repeat(np.arange(len(chosen)), length)
            inside = np.arange(len(place)) - np.repeat(np.cumsum(length) - length, length)
            rows = self.row_B[self.start_G[chosen][place] + inside]
            rows = rows[np.lexsort((generator.random(len(rows)), place))]
            parts = -(-length // longest)
            part = inside * parts[place] // length[place]
            lists = number + (np.cumsum(parts) - parts)[place] + part
            begin = int(rows.min())
            yield ShardVisit(begin, int(rows.max()) + 1, start, rows - begin, lists)
            start, number = start + len(rows), number + int(parts.sum())


def open_lists(folder: Path, timezone: str, *, by_scene: bool) -> Lists:
    """Return the lists of a split: rows of one user and local day, or of one scene in it too.

    A late row belongs to the day it happened, whose state its features are of.
    """
    day = local_days(folder, timezone)
    scene = open_column(folder, "scene").astype(np.int64) if by_scene else np.zeros(len(day), dtype=np.int64)
    return Lists.of(day, np.array(open_column(folder, "user_id")), scene)


def local_days(folder: Path, timezone: str) -> Ints:
    """Return the local day on which each row of a split happened, as days since 1970, [rows]."""
    shown = pl.DataFrame({"time": open_column(folder, "event_time_ms")})
    return shown.select(local_time(pl.col("time"), timezone).dt.date().cast(pl.Int64)).to_series().to_numpy()


def _packed(ends: Ints, batch_size: int) -> Ints:
    """Return where batches end that take whole lists, the first of them 0.

    Args:
        ends: rows up to the end of every list, none longer than a batch.
        batch_size: rows of a batch at most.
    """
    cuts = [0]
    while cuts[-1] < ends[-1]:
        cuts.append(int(ends[np.searchsorted(ends, cuts[-1] + batch_size, side="right") - 1]))
    return np.array(cuts)
