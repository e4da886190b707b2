"""Batches of users with negatives that they have not met.

Shape legend: B users, L steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.sequence.models.base import SequenceBatch
from benchmarks.sequence.protocol.feedback import IntArray
from benchmarks.sequence.protocol.padding import left_padded
from benchmarks.sequence.protocol.split import SequenceSplit


@dataclass(frozen=True)
class SequenceSampler:
    """Draws epochs over the users with at least two positives to learn from.

    Attributes:
        data: the split; only what is learned from is read.
        batch_size: users in a batch.
        max_length: steps of a sequence.
        sorted_batches: as `SequenceTraining.sorted_batches`.

    Raises:
        ValueError: if no user can be learned from, or one has met every item, so that it has no negative.
    """

    data: SequenceSplit
    batch_size: int
    max_length: int
    sorted_batches: int = 1

    def __post_init__(self) -> None:
        if not self.users.size:
            raise ValueError("no user has two positives to learn from")
        met_U = np.bincount(self.data.seen // (self.data.num_items + 1))
        if met_U.max() >= self.data.num_items:
            raise ValueError(f"user {met_U.argmax()} has met all {self.data.num_items} items: there is no negative")

    @property
    def users(self) -> IntArray:
        """The users of an epoch."""
        return np.flatnonzero(self.data.sequences.train_U >= 2)

    def epoch(self, generator: np.random.Generator) -> Iterator[SequenceBatch]:
        """Yield batches that pass once over the users, in random order."""
        users = generator.permutation(self.users)
        pool_size = self.batch_size * self.sorted_batches
        batches: list[IntArray] = []
        for start in range(0, len(users), pool_size):
            pool = users[start : start + pool_size]
            pool = (
                pool[np.argsort(self.data.sequences.train_U[pool], kind="stable")] if self.sorted_batches > 1 else pool
            )
            batches += np.split(pool, range(self.batch_size, len(pool), self.batch_size))
        for place in generator.permutation(len(batches)):
            yield self._batch(batches[place], generator)

    def _batch(self, user_B: IntArray, generator: np.random.Generator) -> SequenceBatch:
        lines = self.data.sequences
        start_B, length_B = lines.start_U[user_B], lines.train_U[user_B] - 1
        item_BL, positive_BL, skip_BL = (
            left_padded(value_T, start_B + shift, length_B, self.max_length)
            for value_T, shift in ((lines.item_T, 0), (lines.item_T, 1), (lines.skip_T, 1))
        )
        negative_BL = np.zeros_like(positive_BL)
        row_N, step_N = np.nonzero(positive_BL)
        negative_BL[row_N, step_N] = negatives(user_B[row_N], self.data, generator)
        return SequenceBatch(*(torch.from_numpy(code_BL) for code_BL in (item_BL, positive_BL, negative_BL, skip_BL)))


def negatives(user_N: IntArray, data: SequenceSplit, generator: np.random.Generator) -> IntArray:
    """Return one item per row, uniform over those without a row of the user among what is learned from, [N].

    What is held out may be drawn: that a user will meet it is not known when the model learns (our reading).
    """
    item_N = np.empty(len(user_N), dtype=np.int64)
    open_N = np.arange(len(user_N))
    while open_N.size:
        item_N[open_N] = generator.integers(1, data.num_items + 1, size=open_N.size)
        pair_N = user_N[open_N] * (data.num_items + 1) + item_N[open_N]
        place_N = np.minimum(np.searchsorted(data.seen, pair_N), len(data.seen) - 1)
        open_N = open_N[data.seen[place_N] == pair_N]
    return item_N
