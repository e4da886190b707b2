"""Doubly robust with a fixed imputation: the mean label.

Shape legend: B rows, S statistics of a label.
"""

from typing import Literal

import torch
from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import TaskRows
from models.objectives.doubly_robust import DoublyRobust
from models.objectives.running import add_batch
from models.propensity.base import PropensityOptions
from models.schema import InputSchema


class DrConfig(ComponentConfig):
    """Nothing to set: clipping and self-normalisation are options of the propensity."""

    kind: Literal["dr"] = "dr"


class Dr(DoublyRobust):
    """L_DR with ê = loss(r̂, m), m the mean label of the observed rows trained on so far.

    Source: docs/methods/debias.md#doubly-robust-with-a-fixed-imputation. For watch time m is the mean of what the head's
    loss is linear in: of the latent label, of exceeding each threshold ...
    """

    Config = DrConfig
    mean_S: Tensor
    steps: Tensor

    def __init__(self, config: DrConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.register_buffer("mean_S", torch.full((1,), 0.5, dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def bind(self, schema: InputSchema, num_statistics: int, num_outputs: int) -> None:
        """Make room for the mean of every statistic."""
        self.mean_S = self.mean_S.expand(num_statistics).clone()

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
        if self.training:
            self._learn(rows)
        return self.risk(rows)

    def imputed(self, rows: TaskRows) -> Tensor:
        """Return ê under the mean label, [B]."""
        mean_S = self.mean_S.to(rows.loss_B.dtype)
        return rows.expected_loss(rows.out_BO, mean_S.expand(len(rows.loss_B), -1))

    def diagnostics(self) -> dict[str, float]:
        """Return the mean label, where one number says it."""
        return {"mean_label": float(self.mean_S)} if len(self.mean_S) == 1 else {}

    @torch.no_grad()
    def _learn(self, rows: TaskRows) -> None:
        statistics_BS = rows.statistics_for(rows.label_B)
        batch_S = torch.stack([rows.observed_mean(statistic_B) for statistic_B in statistics_BS.unbind(dim=1)])
        add_batch(self.mean_S, self.steps, batch_S, rows.observed_B.sum() > 0)
