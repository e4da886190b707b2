"""Bins that double while a head learns: few coarse questions first, each of which is then split in two.

Source: docs/methods/watch_time.md#progressive-bins. Shape legend: B rows, O outputs of a head, J nodes.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from models.component import ComponentConfig
from models.counters import Counting
from models.heads.base import TrainLabels
from models.ranges import Whole

FEWEST, MOST = 8, 128
"""Bins of the first phase and of the last; a bin of zeros comes to either."""
LEVELS = (MOST // FEWEST).bit_length()
"""Phases: 8, 16, 32, 64 and 128 bins."""


class GrowingConfig(ComponentConfig):
    """Whether bins grow."""

    progressive_steps: Whole | None = Field(default=None, ge=0, le=10**6, exclude_if=lambda steps: steps is None)
    """Experimental. Optimiser steps over which 8 bins become 128, in five phases of equal length; 0: 128 from the first
    step, the control. Null: the bins do not grow."""


def level_after(step: int, over: int) -> int:
    """Return how often the bins have doubled before step k, from 0: min(8 2^floor(k / K'), 128) of them, K' a fifth of `over`."""
    return min(LEVELS * step // over, LEVELS - 1) if over else LEVELS - 1


class GrowingBins(Counting):
    """Which outputs of a head are read yet, by how many steps it has taken; part of the model's state.

    An output that is not read counts as 0: the question it will ask has the answer of the train rows, so what is decoded is a
    law on all 128 bins in every phase.

    Args:
        over: steps over which the bins grow.
        level_O: doubling with which each output begins to be read, 0 for those of the first bins.
        parent_O: output whose bin each output splits; itself for those of the first bins.
    """

    taken: Tensor
    reached: Tensor
    level_O: Tensor
    parent_O: Tensor

    def __init__(self, over: int, level_O: NDArray[np.int64], parent_O: NDArray[np.int64]) -> None:
        super().__init__()
        self._over = over
        self.register_counter("taken")
        self.register_counter("reached")
        self.reached.fill_(level_after(0, over))
        self.register_buffer("level_O", torch.from_numpy(level_O), persistent=False)
        self.register_buffer("parent_O", torch.from_numpy(parent_O), persistent=False)

    def read(self, out_BO: Tensor) -> Tensor:
        """Return outputs as float32, 0 in the place of those that are not read yet, [B, O]."""
        return out_BO.float() * (self.level_O <= self.reached)

    def advance(self) -> Tensor | None:
        """Count a step; return the outputs that begin to be read, int64 [new], or None where the bins stay."""
        self.taken += 1
        before, after = int(self.reached), level_after(int(self.taken), self._over)
        if after == before:
            return None
        self.reached.fill_(after)
        return torch.nonzero((self.level_O > before) & (self.level_O <= after))[:, 0]


def equal_mass_cuts(labels: TrainLabels) -> NDArray[np.float32]:
    """Return 0 and the 128 quantiles of what was watched at all, float32 seconds [129]; equal ones stand as often as they are.

    Zeros are the first bin, on their own. Where nobody watched anything the cuts are even up to the longest duration.
    """
    ordered = np.sort(labels.watch_s.astype(np.float32))
    watched = ordered[ordered > 0]
    levels = np.arange(1, MOST + 1) / MOST
    if len(watched) == 0:
        cuts = (levels * max(labels.duration_s.max(), 1)).astype(np.float32)
    else:
        cuts = np.quantile(watched, levels, method="inverted_cdf").astype(np.float32)
    return np.concatenate([np.zeros(1, dtype=np.float32), cuts])


def rows_above(cuts: NDArray[np.float32], watch_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many train rows lie above each cut, int64 [J]."""
    ordered = np.sort(watch_s.astype(np.float32))
    return len(ordered) - np.searchsorted(ordered, cuts, side="right").astype(np.int64)


def split_logits(above_J: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return, for every node between the first ones, the logit of the share of its bin's train rows above it, [J].

    0, a half, where bins hold equal mass; elsewhere what ties make of it. Half a row is added to either side. The nodes of
    the first bins are left at 0.
    """
    logit_J = np.zeros(MOST + 1, dtype=np.float32)
    for level in range(1, LEVELS):
        node, half = _nodes_of(level)
        above, below = above_J[node] - above_J[node + half], above_J[node - half] - above_J[node]
        logit_J[node] = np.log((above + 0.5) / (below + 0.5))
    return logit_J


def node_levels() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return level and parent of the outputs of a head that has one per node, int64 [J] each."""
    level_J, parent_J = np.zeros(MOST + 1, dtype=np.int64), np.arange(MOST + 1)
    for level in range(1, LEVELS):
        node, half = _nodes_of(level)
        level_J[node] = level
        # The younger end of its bin made the bin; of the first bins that is the upper end, whose question is the bin's.
        lower_is_younger = level_J[node - half] > level_J[node + half]
        parent_J[node] = np.where(lower_is_younger, node - half, node + half)
    return level_J, parent_J


def first_nodes(values: Tensor, level: int = 0) -> Tensor:
    """Return what stands at the nodes of the first bins, or of those after some doublings, [B, nodes]."""
    return values[:, :: MOST // (FEWEST << level)]


def refined(log_p_BJ: Tensor, log_q_BJ: Tensor, logit_BO: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """Return log S and log(1 - S) at the nodes after some doublings, from those of the first bins.

    A threshold inside a bin lies between its ends: S = s(o) S_lower + (1 - s(o)) S_upper. At o = 0 it is their mean.

    Args:
        log_p_BJ: log P(watch > t) at the nodes of the first bins.
        log_q_BJ: log P(watch <= t) there.
        logit_BO: logits of all nodes; those of the first bins are not looked at.
        levels: doublings.
    """
    for level in range(1, levels + 1):
        half = MOST // (FEWEST << level)
        split_BN = logit_BO[:, half :: 2 * half]
        log_upper_BN, log_lower_BN = functional.logsigmoid(split_BN), functional.logsigmoid(-split_BN)
        log_p_BJ, log_q_BJ = (
            _interleaved(at_BJ, torch.logaddexp(at_BJ[:, :-1] + log_upper_BN, at_BJ[:, 1:] + log_lower_BN))
            for at_BJ in (log_p_BJ, log_q_BJ)
        )
    return log_p_BJ, log_q_BJ


def _interleaved(at_BJ: Tensor, between_BN: Tensor) -> Tensor:
    pairs_B2N = torch.stack([at_BJ[:, :-1], between_BN], dim=2).flatten(1)
    return torch.cat([pairs_B2N, at_BJ[:, -1:]], dim=1)


def _nodes_of(level: int) -> tuple[NDArray[np.int64], int]:
    """Return the nodes that a doubling brings, and how far their neighbours are."""
    half = MOST // (FEWEST << level)
    return np.arange(half, MOST, 2 * half), half
