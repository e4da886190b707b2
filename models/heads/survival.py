"""Survival curves S(t) = P(watch > t | x) that are linear between nodes: integral, value, median.

Shape legend: B rows, J nodes; nodes are shared by all rows, [J], or a row's own, [B, J].
"""

import torch
from torch import Tensor

_TINY = 1e-9


def restricted_mean(nodes: Tensor, survival_BJ: Tensor, upper_B: Tensor) -> Tensor:
    """Return the integral of S from 0 to `upper_B`, that is E[min(watch, upper)], in seconds [B].

    The trapezoid rule, exact for the linear curve, the partial last bin included; beyond the last node S is 0.

    Args:
        nodes: ascending seconds, the first one 0; equal neighbours are a jump.
        survival_BJ: S at the nodes.
    """
    width = nodes.diff(dim=-1)
    inside = ((upper_B.unsqueeze(1) - nodes[..., :-1]) / width.clamp(min=_TINY)).clamp(0, 1)
    area = width * inside * (survival_BJ[:, :-1] + 0.5 * inside * survival_BJ.diff(dim=1))
    return torch.minimum(area.sum(dim=1), upper_B)


def survival_at(nodes_J: Tensor, survival_BJ: Tensor, seconds_B: Tensor) -> Tensor:
    """Return S at one time per row, [B]; beyond the last node its value there."""
    upper_B = torch.searchsorted(nodes_J, seconds_B).clamp(1, nodes_J.shape[0] - 1)
    lower_s_B, upper_s_B = nodes_J[upper_B - 1], nodes_J[upper_B]
    inside_B = ((seconds_B - lower_s_B) / (upper_s_B - lower_s_B)).clamp(0, 1)
    at_lower_B = survival_BJ.gather(1, upper_B.unsqueeze(1) - 1)[:, 0]
    at_upper_B = survival_BJ.gather(1, upper_B.unsqueeze(1))[:, 0]
    return torch.lerp(at_lower_B, at_upper_B, inside_B)


def survival_median(nodes: Tensor, survival_BJ: Tensor, upper_B: Tensor) -> Tensor:
    """Return where S first reaches 1/2, in seconds [B], at most `upper_B`: 0 where S starts there, linear inside a bin.

    A curve that stays above 1/2 at all nodes gives the last one.
    """
    num_nodes = survival_BJ.shape[1]
    above_B = (survival_BJ > 0.5).long().cumprod(dim=1).sum(dim=1)
    crossing_B1 = above_B.clamp(1, num_nodes - 1).unsqueeze(1)
    nodes_BJ = nodes.expand(survival_BJ.shape)
    before_B, after_B = (survival_BJ.gather(1, crossing_B1 - step)[:, 0] for step in (1, 0))
    lower_s_B, upper_s_B = (nodes_BJ.gather(1, crossing_B1 - step)[:, 0] for step in (1, 0))
    inside_B = ((before_B - 0.5) / (before_B - after_B).clamp(min=_TINY)).clamp(0, 1)
    return torch.minimum(torch.lerp(lower_s_B, upper_s_B, inside_B), upper_B)


def log_survival(logit_BJ: Tensor) -> Tensor:
    """Return log prod_{i <= j} (1 - s(o_i)) of hazard logits o, [B, J]: non-increasing for any logits."""
    return torch.nn.functional.logsigmoid(-logit_BJ).cumsum(dim=1)
