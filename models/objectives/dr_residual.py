"""The naive fit and, on top of it, a doubly robust correction of few dimensions: nothing to spend variance on.

Shape legend: B rows, O outputs of a head.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from torch import Tensor

from models.objectives.base import TaskRows
from models.objectives.doubly_robust import JointConfig, JointDoublyRobust
from models.objectives.level_offsets import LevelOffsets, LevelsConfig
from models.propensity.base import PropensityOptions
from models.schema import InputSchema


class DrResidualConfig(LevelsConfig, JointConfig):
    """What the correction may depend on."""

    kind: Literal["dr_residual"] = "dr_residual"


class DrResidual(JointDoublyRobust):
    """mean_O loss(s) + L_DR(stop(s) + c); serves s + c, c the sum of an offset per output for the levels of a few fields.

    Source: ours; docs/methods/debias.md#doubly-robust-residual. The network learns from the observed rows as under `naive`,
    so the order within a level is that of `naive`; L_DR trains the offsets alone, with the imputation of DR-JL. Levels that
    were never met keep 0.
    """

    Config = DrResidualConfig

    def __init__(self, config: DrResidualConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.correction = LevelOffsets(config, 1)

    def bind(self, schema: InputSchema, num_statistics: int, num_outputs: int) -> None:
        """Make room for one offset per level and output."""
        self.correction.bind(schema, num_outputs)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss; of rows that nothing is learned from the naive one, which early stopping is to look at.

        What is added is an estimate with weights 1 / p, of little beside which it varies.
        """
        naive = rows.observed_mean(rows.loss_B)
        if not self.training:
            return naive
        out_BO = rows.out_BO.detach() + self.correction(rows.level_of)
        corrected = replace(rows, out_BO=out_BO, loss_B=rows.loss_for(out_BO, rows.label_B))
        return naive + super().forward(corrected)

    def served(
        self, out_BO: Tensor, auxiliary: dict[str, Tensor], level_of: Callable[[str], Tensor] | None = None
    ) -> Tensor:
        """Return s + c, raw outputs."""
        offset_BO: Tensor = self.correction(level_of)
        return out_BO + offset_BO
