"""The doubly robust loss, from which every DR-type objective derives: right if the propensities or the errors are.

Shape legend: B rows.
"""

from abc import abstractmethod
from typing import Any, ClassVar

from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import AuxiliaryTower, Objective, TaskRows
from models.objectives.imputation import IMPUTATION, imputation_gap, imputed_error, weighted_mean
from models.objectives.weights import PropensityWeights
from models.propensity.base import PropensityOptions
from models.ranges import Weight


class DoublyRobust(Objective):
    """L_DR = mean_D [ê + o (e - ê) / p].

    Source: docs/methods/debias.md#the-doubly-robust-loss. D holds the observed rows too, and what is subtracted is
    divided by p as well; public implementations leave that out, which is biased even when both models are right. Only
    the prediction learns from it: the pseudo-label behind ê and p pass no gradient.
    """

    weighs_by_propensity = True
    needs_unobserved = True
    may_be_negative = True

    def __init__(self, config: Any, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.weights = PropensityWeights(options)

    @abstractmethod
    def imputed(self, rows: TaskRows) -> Tensor:
        """Return ê, [B]."""

    def propensity(self, rows: TaskRows) -> Tensor:
        """Return p, [B]; 1 on random rows."""
        return rows.propensity_B

    def risk(self, rows: TaskRows) -> Tensor:
        """Return the estimate of mean_D e, which trains the prediction."""
        imputed_B = self.imputed(rows)
        return rows.mean(imputed_B) + self.weights.estimate(rows, rows.loss_B - imputed_B, self.propensity(rows))


class JointConfig(ComponentConfig):
    """What joint learning adds to a doubly robust loss."""

    imputation: Weight = 1.0
    """Weight of the imputation tower's own loss."""


class JointDoublyRobust(DoublyRobust):
    """L_DR with an imputation tower that learns beside the prediction; a subclass says how it weighs its errors.

    One step does both of docs/methods/debias.md#joint-learning: gradients are stopped, so the imputation takes the
    prediction as given and the prediction the imputation.
    """

    auxiliary_towers: ClassVar[tuple[AuxiliaryTower, ...]] = (IMPUTATION,)

    def __init__(self, config: Any, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.imputation: float = config.imputation

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
        return self.risk(rows) + self.imputation * self.imputation_loss(rows)

    def imputed(self, rows: TaskRows) -> Tensor:
        """Return ê under the imputation tower's pseudo-label, [B]."""
        return imputed_error(rows, rows.auxiliary["imputation"])

    def gap(self, rows: TaskRows) -> Tensor:
        """Return what the imputation step minimises, [B]."""
        return imputation_gap(rows, rows.auxiliary["imputation"])

    def imputation_loss(self, rows: TaskRows) -> Tensor:
        """Return the weighted mean of the gap over O, which trains the imputation."""
        inverse_B = self.weights.observed_inverse(rows, self.propensity(rows).detach())
        return weighted_mean(rows, self.imputation_weight(inverse_B), self.gap(rows))

    def imputation_weight(self, inverse_B: Tensor) -> Tensor:
        """Return the weight of each row's gap from 1 / p, [B]; by default that of DR-JL, 1 / p itself."""
        return inverse_B
