"""The doubly robust loss, from which every DR-type objective derives: right if the propensities or the errors are.

Shape legend: B rows, S statistics of a label.
"""

from abc import abstractmethod
from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import AuxiliaryTower, Objective, TaskRows
from models.objectives.imputation import IMPUTATION, imputation_gap, imputed_error, weighted_mean
from models.objectives.weights import PropensityWeights
from models.phases import Phases
from models.propensity.base import PropensityOptions
from models.ranges import StepSize, Weight


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
    fine_tune: StepSize | None = Field(default=None, exclude_if=lambda rate: rate is None)
    """Learn by the naive loss first, the imputation beside it, until that fit ends; then go on from its best epoch by the doubly
    robust loss, with this learning rate over that of `training` (0.03 is a start). null: doubly robust from the first step."""


class JointDoublyRobust(DoublyRobust):
    """L_DR with an imputation tower that learns beside the prediction; a subclass says how it weighs its errors.

    One step does both of docs/methods/debias.md#joint-learning: gradients are stopped, so the imputation takes the
    prediction as given and the prediction the imputation. With `fine_tune` the prediction starts from the naive fit:
    docs/methods/debias.md#fine-tuning.
    """

    auxiliary_towers: ClassVar[tuple[AuxiliaryTower, ...]] = (IMPUTATION,)

    def __init__(self, config: Any, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.imputation: float = config.imputation
        self.phases = None if config.fine_tune is None else Phases(config.fine_tune)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
        is_naive = self.phases is not None and not self.phases.second
        risk = rows.observed_mean(rows.loss_B) if is_naive else self.risk(rows)
        return risk + self.imputation * self.imputation_loss(rows)

    def pseudo_label(self, rows: TaskRows) -> Tensor:
        """Return the outputs that stand for the pseudo-label of ê, [B, S]; by default the imputation tower's own."""
        return rows.auxiliary["imputation"]

    def imputed(self, rows: TaskRows) -> Tensor:
        """Return ê under the pseudo-label, [B]."""
        return imputed_error(rows, self.pseudo_label(rows))

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
