"""Cross-fitted pseudo-outcomes: no row is corrected by an imputation that has seen its label.

Shape legend: K folds, B rows, S statistics of a label.
"""

from typing import Literal

import torch
from torch import Tensor

from models.objectives.base import AuxiliaryTower, TaskRows
from models.objectives.doubly_robust import JointConfig, JointDoublyRobust
from models.objectives.imputation import imputation_gap

_HASHES = (2_654_435_761, 2_246_822_519)


class DrCrossConfig(JointConfig):
    """Weight of the imputation step."""

    kind: Literal["dr_cross"] = "dr_cross"


class DrCross(JointDoublyRobust):
    """L_DR, ê under the imputation of the two that has not learned from the row; each learns as in DR-JL from the other half.

    Source: Chernozhukov et al., Econometrics Journal 2018; Kennedy 2020 (arXiv 2004.14497);
    docs/methods/debias.md#cross-fitted-pseudo-outcomes. Halves are drawn by user and video, so that each imputation knows
    every user. Both networks, embeddings too, are separate; they share steps, and with them the clipping of the gradient.
    """

    Config = DrCrossConfig
    auxiliary_towers = (AuxiliaryTower("imputation", reads="second", gives="statistics", folds=2),)

    def pseudo_label(self, rows: TaskRows) -> Tensor:
        """Return the outputs of the imputation that has not learned from the row, [B, S]."""
        return _of(rows, fold(rows))

    def gap(self, rows: TaskRows) -> Tensor:
        """Return what the step of the other imputation minimises, [B]."""
        return imputation_gap(rows, _of(rows, 1 - fold(rows)))


def fold(rows: TaskRows) -> Tensor:
    """Return which imputation does not learn from a row, 0 or 1, [B]."""
    mixed_B = rows.user_B * _HASHES[0] % 2**32 ^ rows.item_B * _HASHES[1] % 2**32
    return mixed_B // 2**16 % 2


def _of(rows: TaskRows, fold_B: Tensor) -> Tensor:
    first_BS, second_BS = rows.auxiliary["imputation_folds"]
    return torch.where(fold_B.unsqueeze(1) == 0, first_BS, second_BS)
