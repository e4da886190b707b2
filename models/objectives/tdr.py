"""Targeted doubly robust: imputed errors are first corrected along 1 / p - 1.

Shape legend: B rows.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from models.objectives.base import TaskRows
from models.objectives.doubly_robust import JointConfig, JointDoublyRobust
from models.objectives.imputation import imputed_error
from models.objectives.weights import known_everywhere
from models.propensity.base import PropensityOptions
from models.ranges import Number


class TdrConfig(JointConfig):
    """How fast the correction follows the models."""

    kind: Literal["tdr"] = "tdr"
    memory: Number = Field(default=0.99, ge=0, lt=1)
    """Weight of earlier batches in the sums behind t, per step; 0.99 looks back about 100 steps."""


class Tdr(JointDoublyRobust):
    """L_DR with e~ = ê + t (1 / p - 1), t = sum_O (e - ê)(1 / p - 1) / sum_O (1 / p - 1)^2.

    Source: Li et al., ICLR 2023; docs/methods/debias.md#targeted-doubly-robust. Our reading: the sums over all of O
    once per epoch become sums that fade with every step, and a step uses the t of the steps before it, so that it stays
    a number and the loss of a batch unbiased. A number alone would not move the prediction; so for binary tasks the
    imputation tower learns what the correction leaves, sum_O (e - e~)^2 / p (collaborative learning). For watch time it
    learns as in DR-JL.
    """

    Config = TdrConfig
    above: Tensor
    below: Tensor

    def __init__(self, config: TdrConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.memory = config.memory
        self.register_buffer("above", torch.zeros((), dtype=torch.float64))
        self.register_buffer("below", torch.zeros((), dtype=torch.float64))

    @property
    def t(self) -> Tensor:
        """The correction, a scalar; 0 before the first step with an observed row."""
        return torch.where(self.below > 0, self.above / torch.where(self.below > 0, self.below, 1.0), 0.0)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss.

        Raises:
            ValueError: if a propensity is NaN: the correction needs those of unobserved rows.
        """
        loss = super().forward(rows)
        if self.training:
            self._learn(rows)
        return loss

    def imputed(self, rows: TaskRows) -> Tensor:
        """Return e~, [B]."""
        return super().imputed(rows) + self._correction(rows)

    def gap(self, rows: TaskRows) -> Tensor:
        """Return (e - e~)^2 of a binary task, with gradient to the pseudo-label alone, [B]."""
        if not rows.binary:
            return super().gap(rows)
        expected_BS = rows.expected_statistics(rows.auxiliary["imputation"])
        imputed_B = rows.expected_loss(rows.out_BO.detach(), expected_BS)
        return (rows.loss_B.detach() - imputed_B - self._correction(rows)).square()

    def diagnostics(self) -> dict[str, float]:
        """Return t."""
        return {"t": float(self.t)}

    def _odds(self, rows: TaskRows) -> Tensor:
        """Return 1 / p - 1, [B]; 0 on random rows."""
        propensity_B = known_everywhere(self.propensity(rows), "tdr").detach()
        return torch.where(rows.random_B, 0.0, self.weights.inverse(propensity_B) - 1)

    def _correction(self, rows: TaskRows) -> Tensor:
        return self.t.to(rows.loss_B.dtype) * self._odds(rows)

    @torch.no_grad()
    def _learn(self, rows: TaskRows) -> None:
        odds_B = self._odds(rows)
        gap_B = rows.loss_B - imputed_error(rows, rows.auxiliary["imputation"])
        self.above.lerp_(rows.mean(rows.observed_B * gap_B * odds_B).double(), 1 - self.memory)
        self.below.lerp_(rows.mean(rows.observed_B * odds_B.square()).double(), 1 - self.memory)
