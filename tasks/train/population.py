"""The rows that a recipe learns from: the impressions of a split and, at level candidate, pairs that were not shown.

A batch at level candidate is two strata drawn independently (docs/methods/debias.md#unbiased-batches): B_o of the O
impressions and B_n of the sample that stands for all |N| pairs that were not shown. A row's weight is the share of D
that it stands for, |O| / |D| / B_o or |N| / |D| / B_n with |D| = |O| + |N|; impressions are counted as they were
logged, a pair shown twice twice. Rows exposed at random are part of the impressions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from models.batch import Batch
from models.recipe import Recipe
from models.selection import CandidateSelection
from tasks.core.errors import TrainingError
from tasks.table.columns import open_column
from tasks.table.training_table import TrainingTable
from tasks.table.unobserved import CANDIDATE_RATE
from tasks.table.unobserved import FOLDER as UNOBSERVED
from tasks.train.batches import CANDIDATE_PROBABILITY, POOL, EncodedRows, Split, join_batches

_COLUMNS = ("ids", "dense", "duration_s")
_LABELS = ("watch_s", "labels", "random")
_STREAM = 1
"""Order of the unobserved rows: another one than that of the impressions, stream 0."""


@dataclass(frozen=True)
class Unobserved:
    """The sample of pairs that were not shown.

    Attributes:
        rows: the sampled pairs.
        pairs: |N|, how many pairs they stand for.
        per_impression: rows in a batch for every impression in it.
    """

    rows: Split
    pairs: int
    per_impression: float

    def count(self, impressions: int) -> int:
        """Return B_n of a batch."""
        return max(1, round(self.per_impression * impressions))


@dataclass(frozen=True)
class Population:
    """What one split offers a recipe.

    Attributes:
        impressions: rows that were shown.
        unobserved: pairs that were not; None below level candidate.
    """

    impressions: Split
    unobserved: Unobserved | None = None

    def mapped(self, change: Callable[[Split], Split]) -> "Population":
        """Return the population with its rows changed, those that were shown and those that were not."""
        if self.unobserved is None:
            return Population(change(self.impressions))
        return Population(change(self.impressions), replace(self.unobserved, rows=change(self.unobserved.rows)))

    def epoch(self, batch_size: int, shard_rows: int, seed: int, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch over the impressions from batch number `skip` on.

        The unobserved rows go on from epoch to epoch, pass after pass over their sample; where they stand is a function of
        (epoch, skip), so that an epoch entered in its middle goes on as if it had never stopped.
        """
        batches = self.impressions.epoch(batch_size, shard_rows, seed, epoch, skip)
        if self.unobserved is None:
            yield from batches
            return
        whole, rest = divmod(self.impressions.num_rows, batch_size)
        in_epoch = whole * self.unobserved.count(batch_size) + (self.unobserved.count(rest) if rest else 0)
        taken = np.diff(self.impressions.order(batch_size, shard_rows, seed, epoch).cuts[: skip + 1])
        before = epoch * in_epoch + sum(map(self.unobserved.count, taken.tolist()))
        others = Drawer(self.unobserved.rows.cycle(shard_rows, seed, _STREAM, before))
        for batch in batches:
            yield self._mix(batch, others.take(self.unobserved.count(len(batch))))

    def evaluation(self, rows: int, *, shared: bool = False) -> Iterator[tuple[Batch, Batch]]:
        """Yield impressions in order, `rows` at a time, and beside each part the batch to measure losses on.

        That batch holds the same impressions and their part of the unobserved sample, every row of which comes once; where
        there is none it is the part itself.

        Args:
            rows: impressions of a part.
            shared: as for `EncodedRows.batch`.
        """
        begin = 0
        for part in self.impressions.chunks(rows):
            shown = part.batch(0, len(part), shared=shared)
            end = begin + len(part)
            yield shown, shown if self.unobserved is None else self._mix(shown, self._slice(begin, end))
            begin = end

    def _slice(self, begin: int, end: int) -> Batch:
        """Return the part of the sample that goes with impressions [begin, end), at least one row."""
        assert self.unobserved is not None
        sample, total = self.unobserved.rows, self.impressions.num_rows
        first = begin * sample.num_rows // total
        last = max(first + 1, end * sample.num_rows // total)
        part = sample.read(first, last)
        return part.batch(0, len(part))

    def _mix(self, shown: Batch, other: Batch) -> Batch:
        """Append unobserved rows to impressions; their labels are zeros that nothing may use."""
        assert self.unobserved is not None
        impressions, pairs = self.impressions.num_rows, self.unobserved.pairs
        zeros_B, device = torch.zeros_like(other.duration_B), other.duration_B.device
        unlabelled = replace(
            other,
            watch_B=zeros_B,
            labels=dict.fromkeys(shown.labels, zeros_B),
            observed_B=zeros_B,
            random_B=zeros_B.bool(),
        )
        share = impressions / (impressions + pairs)
        weight_B = torch.cat(
            [torch.full_like(shown.duration_B, share / len(shown)), torch.full_like(zeros_B, (1 - share) / len(other))]
        )
        if shown.group_B is not None:
            unlabelled = replace(
                unlabelled,
                group_B=torch.full((len(other),), -1, device=device),
                pair_P2=torch.zeros((0, 2), dtype=torch.int64, device=device),
            )
        if other.candidate_probability_B is not None:
            shown = replace(shown, candidate_probability_B=torch.ones_like(shown.duration_B))
        return replace(join_batches([shown, unlabelled]), weight_B=weight_B)


class Drawer:
    """Takes rows from shards, any number at a time."""

    def __init__(self, shards: Iterator[EncodedRows]) -> None:
        self._shards = shards
        self._rows = next(shards)
        self._at = 0

    def take(self, count: int) -> Batch:
        """Return the next rows as one batch; it may span shards."""
        parts = []
        while count:
            if self._at == len(self._rows):
                self._rows, self._at = next(self._shards), 0
            taken = min(count, len(self._rows) - self._at)
            parts.append(self._rows.batch(self._at, self._at + taken))
            self._at, count = self._at + taken, count - taken
        return join_batches(parts)


def open_population(table: TrainingTable, split: str, recipe: Recipe, with_history: bool) -> Population:
    """Open the rows that a recipe learns from: of the fit days those that the table selected, with their weights.

    Args:
        table: the table.
        split: fit or validation.
        recipe: its selection says which rows there are.
        with_history: whether batches carry histories.

    Raises:
        TrainingError: if the recipe learns from unobserved pairs and the table holds none.
        ContractError: if rows were selected and have no weights.
    """
    seen_after = "click" if recipe.selection.kind == "click" else None
    folder = table.split(table.stepped if split == "fit" else split)
    impressions = Split(folder, table.tasks, (*_COLUMNS, *_LABELS), with_history, seen_after=seen_after)
    if split == "fit" and (weight_B := table.pool_weights()) is not None:
        impressions = impressions.with_column(POOL, weight_B.astype(np.float32))
    if not isinstance(recipe.selection, CandidateSelection):
        return Population(impressions)
    drawn = table.metadata.populations.get(split)
    if drawn is None or not drawn.sampled:
        why = "none were asked for" if drawn is None or drawn.unobserved else "all pairs of its days were shown"
        raise TrainingError(
            f"the recipe has selection.kind 'candidate', but the {split} days of {table.folder} hold no unobserved pairs ({why}): "
            "set table.unobserved_per_impression to a number above 0 (1.0, say) and build the table again"
        )
    rows = Split(table.split(split) / UNOBSERVED, table.tasks, _COLUMNS, with_history)
    if (shown := recipe.selection.shown_per_candidate) is not None:
        probability = -np.expm1(-open_column(rows.folder, CANDIDATE_RATE) / np.float32(shown))
        rows = rows.with_column(CANDIDATE_PROBABILITY, probability)
    return Population(impressions, Unobserved(rows, drawn.unobserved, recipe.selection.per_impression))
