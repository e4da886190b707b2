"""From the outputs of a network to expectations of a label's statistics, and the loss under which it learns them.

Shape legend: B rows, W statistics under one link, S all statistics of a label.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Link:
    """A range that expectations lie in.

    Attributes:
        mean: outputs [B, W] -> expectations inside the range [B, W]; every one of them is reached, or approached.
        loss: (outputs, statistics) [B, W] -> row losses [B], least in expectation where `mean` gives the expectation.
    """

    mean: Callable[[Tensor], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]


def _softplus_error(raw_BW: Tensor, statistics_BW: Tensor) -> Tensor:
    return (functional.softplus(raw_BW) - statistics_BW).square().mean(dim=1)


def _log_loss(raw_BW: Tensor, statistics_BW: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(raw_BW, statistics_BW, reduction="none").mean(dim=1)


def _law_loss(raw_BW: Tensor, statistics_BW: Tensor) -> Tensor:
    return -(statistics_BW * torch.log_softmax(raw_BW, dim=1)).sum(dim=1)


ANY = Link(mean=lambda raw_BW: raw_BW, loss=lambda raw_BW, statistics_BW: (raw_BW - statistics_BW).square().mean(dim=1))
"""Any number: least squares."""
POSITIVE = Link(mean=functional.softplus, loss=_softplus_error)
"""Numbers above 0: least squares of the softplus."""
SHARE = Link(mean=torch.sigmoid, loss=_log_loss)
"""Numbers between 0 and 1, each on its own: cross-entropy."""
LAW = Link(mean=lambda raw_BW: torch.softmax(raw_BW, dim=1), loss=_law_loss)
"""Probabilities that sum to 1: cross-entropy."""

Links = tuple[tuple[Link, int], ...]
"""Links of consecutive statistics, each with how many it covers."""


def expectations(links: Links, raw_BS: Tensor) -> Tensor:
    """Return the expectations that outputs stand for, [B, S]."""
    parts = _split(links, raw_BS.float())
    return torch.cat([link.mean(raw_BW) for (link, _), raw_BW in zip(links, parts, strict=True)], dim=1)


def learning_loss(links: Links, raw_BS: Tensor, statistics_BS: Tensor) -> Tensor:
    """Return the loss of outputs against a label's statistics, [B]."""
    pairs = zip(_split(links, raw_BS.float()), _split(links, statistics_BS), strict=True)
    losses = [link.loss(*parts) for (link, _), parts in zip(links, pairs, strict=True)]
    return torch.stack(losses).sum(dim=0)


def _split(links: Links, value_BS: Tensor) -> Sequence[Tensor]:
    return torch.split(value_BS, [width for _, width in links], dim=1)
