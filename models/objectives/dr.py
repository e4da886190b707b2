"""Doubly robust with a fixed imputation: the mean label.

Shape legend: B rows.
"""

from typing import Literal

import torch
from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import TaskRows
from models.objectives.doubly_robust import DoublyRobust
from models.objectives.imputation import imputed_error
from models.propensity.base import PropensityOptions

LOGIT_EPS = 1e-6


class DrConfig(ComponentConfig):
    """Nothing to set: clipping and self-normalisation are options of the propensity."""

    kind: Literal["dr"] = "dr"


class Dr(DoublyRobust):
    """L_DR with ê = loss(r̂, m), m the mean label of the observed rows trained on so far.

    Source: docs/methods/debias.md#doubly-robust-with-a-fixed-imputation. For watch time m is the mean share watched,
    times the row's duration.
    """

    Config = DrConfig
    mean_share: Tensor
    steps: Tensor

    def __init__(self, config: DrConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.register_buffer("mean_share", torch.full((), 0.5, dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
        if self.training:
            self._learn(rows)
        return self.risk(rows)

    def imputed(self, rows: TaskRows) -> Tensor:
        """Return ê under the mean label, [B]."""
        logit = torch.logit(self.mean_share, eps=LOGIT_EPS).to(rows.loss_B.dtype)
        return imputed_error(rows, logit.expand_as(rows.loss_B))

    def diagnostics(self) -> dict[str, float]:
        """Return the mean label, as a share."""
        return {"mean_share": float(self.mean_share)}

    def _learn(self, rows: TaskRows) -> None:
        seen = (rows.observed_B.sum() > 0).long()
        self.steps += seen
        step = (rows.observed_mean(rows.share_label_B).detach() - self.mean_share) / self.steps.clamp(min=1)
        self.mean_share += seen * step
