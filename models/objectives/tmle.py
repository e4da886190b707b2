"""Targeted learning: the pseudo-label is corrected until what it leaves is nothing on average, then learned from alone.

Shape legend: B rows, S statistics of a label.
"""

from typing import Literal

import torch
from torch import Tensor

from models.objectives.base import TaskRows
from models.objectives.doubly_robust import JointConfig, JointDoublyRobust
from models.objectives.imputation import weighted_mean
from models.objectives.level_offsets import LevelOffsets, LevelsConfig
from models.propensity.base import PropensityOptions
from models.schema import InputSchema


class TmleConfig(LevelsConfig, JointConfig):
    """Within which strata the correction balances."""

    kind: Literal["tmle"] = "tmle"


class Tmle(JointDoublyRobust):
    """mean_D loss(r̂, m*), m* = link(m + eps), eps per stratum such that sum_O (label - m*) / p = 0 in every stratum.

    Source: van der Laan & Rubin 2006, with the weight 1 / p in the loss and not in the covariate;
    docs/methods/debias.md#targeted-learning. eps is learned by steps beside m. The imputation learns without weights, as an
    outcome model does: what selection hides from it is what eps corrects. No row is multiplied by 1 / p in what trains the
    prediction.
    """

    Config = TmleConfig

    def __init__(self, config: TmleConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.fluctuation = LevelOffsets(config, 1)

    def bind(self, schema: InputSchema, num_statistics: int, num_outputs: int) -> None:
        """Make room for one eps per level and statistic."""
        self.fluctuation.bind(schema, num_statistics)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
        return super().forward(rows) + self.imputation * self.fluctuation_loss(rows)

    def risk(self, rows: TaskRows) -> Tensor:
        """Return mean_D loss(r̂, m*), which trains the prediction; of rows that nothing is learned from L_DR, which may be compared
        between epochs, whose m* differ."""
        return rows.mean(self.imputed(rows)) if self.training else super().risk(rows)

    def pseudo_label(self, rows: TaskRows) -> Tensor:
        """Return the tower's outputs, not trained, with eps, which is; [B, S]."""
        eps_BS: Tensor = self.fluctuation(rows.level_of)
        return rows.auxiliary["imputation"].detach() + eps_BS

    def fluctuation_loss(self, rows: TaskRows) -> Tensor:
        """Return 0, with the mean of (m* - label) / p in every stratum as the gradient of eps.

        It is the gradient of the tower's own loss where the link is that loss's canonical one (identity and squares, sigmoid
        or softmax and cross-entropy); so the sums are 0 at the end under any link.
        """
        raw_BS = self.pseudo_label(rows)
        left_BS = rows.expected_statistics(raw_BS.detach()) - rows.statistics_for(rows.label_B)
        inverse_B = self.weights.observed_inverse(rows, self.propensity(rows).detach())
        pulled = weighted_mean(rows, inverse_B, (left_BS * raw_BS).sum(dim=1))
        return pulled - pulled.detach()

    def imputation_weight(self, inverse_B: Tensor) -> Tensor:
        """Return 1, [B]."""
        return torch.ones_like(inverse_B)
