"""In which order an epoch visits the rows, and where its batches end: shards in shuffled order, rows shuffled inside their shard.

The order is a pure function of (seed, epoch), so a resumed fit needs no generator state to find its place.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ShardVisit:
    """One shard of an epoch.

    Attributes:
        begin: first row of the shard in the split.
        end: row after the last.
        start: rows of the epoch that come before this shard.
        order: the shard's rows as they are visited, counted from `begin`: a permutation of them, or of some.
        lists: list that each of them belongs to, equal numbers one after the other; None where lists are not kept.
    """

    begin: int
    end: int
    start: int
    order: Ints
    lists: Ints | None = None


@dataclass(frozen=True)
class EpochOrder:
    """The rows of one epoch.

    Attributes:
        visits: shards in the order they are read.
        cuts: where batches begin and the last one ends, counted in rows of the epoch, [batches + 1].
    """

    visits: Iterable[ShardVisit]
    cuts: Ints

    @property
    def num_batches(self) -> int:
        """Batches of the epoch."""
        return len(self.cuts) - 1


def shuffled_rows(num_rows: int, batch_size: int, shard_rows: int, seed: int, epoch: int) -> EpochOrder:
    """Return the order in which rows stand alone: batches of one size, but for the last one."""
    cuts = np.append(np.arange(0, num_rows, batch_size), num_rows)
    return EpochOrder(shard_visits(num_rows, shard_rows, seed, epoch), cuts)


def shard_visits(num_rows: int, shard_rows: int, seed: int, epoch: int, *stream: int) -> Iterator[ShardVisit]:
    """Yield the shards of one epoch in the order they are visited; another stream is another order."""
    generator = np.random.Generator(np.random.PCG64([seed, epoch, *stream]))
    num_shards = -(-num_rows // shard_rows)
    start = 0
    for shard in generator.permutation(num_shards):
        begin = int(shard) * shard_rows
        end = min(begin + shard_rows, num_rows)
        yield ShardVisit(begin, end, start, generator.permutation(end - begin))
        start += end - begin
