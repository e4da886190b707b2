"""Doubly calibrated: propensity and pseudo-label are both calibrated on users that neither was fitted on.

Shape legend: B rows, S statistics of a label.
"""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from models.objectives.base import TaskRows
from models.objectives.doubly_robust import JointConfig, JointDoublyRobust
from models.objectives.imputation import weighted_mean
from models.objectives.level_offsets import LevelOffsets, LevelsConfig
from models.objectives.weights import known_everywhere
from models.propensity.base import PropensityOptions
from models.schema import InputSchema

FOLDS = 5
"""One fold of the users is held out."""
_HASH = 2_654_435_761
_EPS = 1e-6


class DceDrConfig(LevelsConfig, JointConfig):
    """Which groups are calibrated apart."""

    kind: Literal["dce_dr"] = "dce_dr"


class DceDr(JointDoublyRobust):
    """L_DR with p* = s((1 + a) logit p + b) and m* = link((1 + a') m + b'), calibrated on a fifth of the users.

    Source: the abstract of Kweon & Yu, WWW 2024 (arXiv 2403.00817); the equations are ours:
    docs/methods/debias.md#doubly-calibrated. One slope and intercept per level and number, learned by steps beside the tower,
    whose own loss leaves the held-out users out. Published: isotonic regression at the end of every epoch; of a number that
    is no probability a slope and an intercept are its calibration too.
    """

    Config = DceDrConfig

    def __init__(self, config: DceDrConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.of_label = LevelOffsets(config, 2)
        self.of_propensity = LevelOffsets(config, 2)

    def bind(self, schema: InputSchema, num_statistics: int, num_outputs: int) -> None:
        """Make room for a slope and an intercept per level and number."""
        self.of_label.bind(schema, 2 * num_statistics)
        self.of_propensity.bind(schema, 2)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss.

        Raises:
            ValueError: if a propensity is NaN: those of unobserved rows are calibrated too.
        """
        return super().forward(rows) + self.calibration_loss(rows)

    def propensity(self, rows: TaskRows) -> Tensor:
        """Return p*, [B]; 1 on random rows."""
        return torch.where(rows.random_B, 1.0, torch.sigmoid(self._logit(rows)))

    def pseudo_label(self, rows: TaskRows) -> Tensor:
        """Return the tower's outputs, not trained, as calibrated, which is; [B, S]."""
        return _scaled(rows.auxiliary["imputation"].detach(), self.of_label(rows.level_of))

    def imputation_loss(self, rows: TaskRows) -> Tensor:
        """Return the weighted mean of the gap over the observed rows of the users that are not held out."""
        return super().imputation_loss(_of(rows, ~held_out(rows)))

    def calibration_loss(self, rows: TaskRows) -> Tensor:
        """Return what trains slopes and intercepts alone: the tower's loss over O and the log-loss of o, of held-out users."""
        held = held_out(rows)
        inverse_B = self.weights.observed_inverse(rows, self.propensity(rows).detach())
        of_label = weighted_mean(
            _of(rows, held), inverse_B, rows.statistics_loss(self.pseudo_label(rows), rows.label_B)
        )
        loss_B = functional.binary_cross_entropy_with_logits(self._logit(rows), rows.observed_B, reduction="none")
        share_B = rows.weight_B * (held & ~rows.random_B)
        total = share_B.sum()
        return of_label + (share_B * loss_B).sum() / torch.where(total > 0, total, 1.0)

    def _logit(self, rows: TaskRows) -> Tensor:
        propensity_B = known_everywhere(rows.propensity_B, "dce_dr")
        logit_B = torch.logit(propensity_B.clamp(_EPS, 1 - _EPS))
        return _scaled(logit_B.unsqueeze(1), self.of_propensity(rows.level_of))[:, 0]


def held_out(rows: TaskRows) -> Tensor:
    """Return which rows are of users that the imputation is not fitted on, bool [B]."""
    return rows.user_B * _HASH % 2**32 % FOLDS == FOLDS - 1


def _of(rows: TaskRows, some_B: Tensor) -> TaskRows:
    """Return rows of which only some count as observed."""
    return replace(rows, observed_B=rows.observed_B * some_B)


def _scaled(raw_BW: Tensor, slope_and_intercept_BW: Tensor) -> Tensor:
    slope_BW, intercept_BW = slope_and_intercept_BW.chunk(2, dim=1)
    return (1 + slope_BW) * raw_BW + intercept_BW
