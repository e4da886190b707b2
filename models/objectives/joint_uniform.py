"""One loss of two samples: what the policy chose to show, of which there is much, and what was shown at random.

Shape legend: B rows.
"""

from typing import Literal

import torch
from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import Objective, TaskRows
from models.objectives.running import add_batch
from models.propensity.base import PropensityOptions
from models.ranges import Share


class JointUniformConfig(ComponentConfig):
    """The weight of the random rows: 0 leaves them out, 1 learns from nothing else."""

    kind: Literal["joint_uniform"] = "joint_uniform"
    uniform_weight: Share = 0.3
    """eta; a start, not a recommendation."""


class JointUniform(Objective):
    """(1 - eta) mean of e over logged rows + eta mean of e over rows exposed at random.

    Source: docs/methods/debias.md#joint-loss-with-random-rows. Both means are over all rows trained on: a row's weight
    follows from the share of random rows in all batches so far, so that a batch with few of them, or none, is not
    overruled by them. Without any the loss is that of the logged rows alone, as `naive`.
    """

    Config = JointUniformConfig
    weighs_rows = True
    share: Tensor
    steps: Tensor

    def __init__(self, config: JointUniformConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.uniform_weight = config.uniform_weight
        self.register_buffer("share", torch.zeros((), dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
        random_B = rows.random_B.to(rows.loss_B.dtype)
        share = self._share_of_all(rows, random_B)
        is_both = (share > 0) & (share < 1)
        logged = torch.where(is_both, (1 - self.uniform_weight) / (1 - share), 1.0)
        uniform = torch.where(is_both, self.uniform_weight / share, 1.0)
        return rows.observed_mean(torch.lerp(logged, uniform, random_B) * rows.loss_B)

    def _share_of_all(self, rows: TaskRows, random_B: Tensor) -> Tensor:
        """Return the share of random rows among the observed rows of all batches trained on so far."""
        batch = rows.observed_mean(random_B.double())
        if self.training:
            add_batch(self.share, self.steps, batch, (rows.observed_B > 0).any())
        return torch.where(self.steps > 0, self.share, batch).to(rows.loss_B.dtype)
