"""Imputed errors: what the loss of a row would be under a pseudo-label, and how the imputation tower learns it.

Shape legend: B rows, S statistics of a label.
"""

import torch
from torch import Tensor

from models.objectives.base import AuxiliaryTower, TaskRows

IMPUTATION = AuxiliaryTower("imputation", reads="second", gives="statistics")
"""A network of its own, as published: it shares nothing with the model it judges."""


def imputed_error(rows: TaskRows, raw_BS: Tensor) -> Tensor:
    """Return ê, the loss of the prediction r̂ expected under the pseudo-label that the tower's outputs stand for, [B].

    Gradient reaches r̂ and not the pseudo-label.
    """
    return rows.expected_loss(rows.out_BO, rows.expected_statistics(raw_BS.detach()))


def imputation_gap(rows: TaskRows, raw_BS: Tensor) -> Tensor:
    """Return what the imputation step minimises on observed rows, [B]: gradient reaches the pseudo-label alone.

    (e - ê)^2 for a binary task, whose label has two values. For watch time the loss under which the tower learns what
    the head's loss is linear in, (label - m)^2 where that is a latent label; our reading: once they are right ê is
    E[e | x] for every prediction. The gap of the errors is not least there: a square of errors is no linear function of
    the label, and the pseudo-label would make up for the label's spread.
    """
    if not rows.binary:
        return rows.statistics_loss(raw_BS, rows.label_B)
    imputed_B = rows.expected_loss(rows.out_BO.detach(), rows.expected_statistics(raw_BS))
    return (rows.loss_B.detach() - imputed_B).square()


def weighted_mean(rows: TaskRows, weight_B: Tensor, value_B: Tensor) -> Tensor:
    """Return sum_O w f / sum_O w; 0 where no observed row has a weight.

    Imputation weights reach 1 / clip^3 and optimizers clip the gradient as a whole: as a sum, the imputation step would
    take all of it. The minimiser is that of the sum.
    """
    share_B = rows.weight_B * rows.observed_B * weight_B
    total = share_B.sum()
    return (share_B * value_B).sum() / torch.where(total > 0, total, 1.0)
