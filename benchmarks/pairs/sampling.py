"""Batches of D whose rows say how much of D they stand for (docs/methods/debias.md#unbiased-batches).

Shape legend: B pairs of a batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.pairs.data import FloatArray, PairData, Ratings
from benchmarks.pairs.models.model import PairBatch

Sampling = Literal["observed", "stratified", "uniform"]


@dataclass(frozen=True, eq=False)
class PairSampler:
    """Draws epochs of batches.

    D is every pair but the held-out ones, whose label is not to be seen; pairs that are only in the test are in D,
    unobserved.

    Attributes:
        sampling: as `PairTraining.sampling`.
        batch_size: observed pairs in a batch, or pairs in all where sampling is uniform.
        per_observed: unobserved pairs in a batch for every observed one.
        num_items: I, to take pair codes apart.
        observed: int64 codes of O.
        unobserved: int64 codes of N.
        label_P: float32 label by pair code, 0 where not observed.
        observed_P: float32 0/1 by pair code.
        propensity_P: float32 by pair code.
    """

    sampling: Sampling
    batch_size: int
    per_observed: float
    num_items: int
    observed: Tensor
    unobserved: Tensor
    label_P: Tensor
    observed_P: Tensor
    propensity_P: Tensor

    def epoch(self, generator: torch.Generator) -> Iterator[PairBatch]:
        """Yield batches that pass once over O, or over D where sampling is uniform, in random order."""
        if self.sampling == "uniform":
            everything = torch.cat([self.observed, self.unobserved])
            order = everything[torch.randperm(len(everything), generator=generator)]
            for pair_B in torch.split(order, self.batch_size):
                yield self._batch(pair_B, torch.full((len(pair_B),), 1 / len(pair_B)))
            return
        order = self.observed[torch.randperm(len(self.observed), generator=generator)]
        for pair_B in torch.split(order, self.batch_size):
            if self.sampling == "observed":
                yield self._batch(pair_B, torch.full((len(pair_B),), 1 / len(pair_B)))
            else:
                yield self._stratified(pair_B, generator)

    def _stratified(self, observed_B: Tensor, generator: torch.Generator) -> PairBatch:
        size = max(1, round(self.per_observed * len(observed_B)))
        unobserved_B = self.unobserved[torch.randint(len(self.unobserved), (size,), generator=generator)]
        share = len(self.observed) / (len(self.observed) + len(self.unobserved))
        weight_B = torch.cat(
            [torch.full((len(observed_B),), share / len(observed_B)), torch.full((size,), (1 - share) / size)]
        )
        return self._batch(torch.cat([observed_B, unobserved_B]), weight_B)

    def _batch(self, pair_B: Tensor, weight_B: Tensor) -> PairBatch:
        return PairBatch(
            user_B=pair_B // self.num_items,
            item_B=pair_B % self.num_items,
            label_B=self.label_P[pair_B],
            observed_B=self.observed_P[pair_B],
            weight_B=weight_B,
            propensity_B=self.propensity_P[pair_B],
        )


def pair_sampler(
    data: PairData,
    fit: Ratings,
    held_out: Ratings | None,
    propensity_UI: FloatArray,
    sampling: Sampling,
    batch_size: int,
    per_observed: float,
) -> PairSampler:
    """Return the sampler of a fit.

    Args:
        data: the catalogue.
        fit: ratings to learn from: O.
        held_out: ratings that belong to neither O nor N.
        propensity_UI: [U, I] exposure probabilities.
        sampling: how batches are drawn.
        batch_size: see `PairSampler`.
        per_observed: see `PairSampler`.
    """
    state_P = np.zeros(data.num_pairs, dtype=np.int8)
    state_P[fit.pairs(data.num_items)] = 1
    if held_out is not None:
        state_P[held_out.pairs(data.num_items)] = 2
    label_P = np.zeros(data.num_pairs, dtype=np.float32)
    label_P[fit.pairs(data.num_items)] = data.liked(fit)
    return PairSampler(
        sampling=sampling,
        batch_size=batch_size,
        per_observed=per_observed,
        num_items=data.num_items,
        observed=torch.from_numpy(np.flatnonzero(state_P == 1)),
        unobserved=torch.from_numpy(np.flatnonzero(state_P == 0)),
        label_P=torch.from_numpy(label_P),
        observed_P=torch.from_numpy((state_P == 1).astype(np.float32)),
        propensity_P=torch.from_numpy(propensity_UI.reshape(-1).astype(np.float32)),
    )
