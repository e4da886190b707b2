"""Stable doubly robust: the imputation shapes the propensity, and no error is ever multiplied by a large weight.

Shape legend: B rows.
"""

from typing import Literal

from torch import Tensor

from models.objectives.base import TaskRows
from models.objectives.doubly_robust import JointConfig
from models.objectives.exposure import OWN_EXPOSURE, exposure_loss
from models.objectives.imputation import IMPUTATION
from models.objectives.learned_dr import LearnedDoublyRobust
from models.objectives.weights import normalised
from models.propensity.base import PropensityOptions
from models.ranges import WeightOrNone


class StableDrConfig(JointConfig):
    """Weight of the constraint on the propensity."""

    kind: Literal["stable_dr"] = "stable_dr"
    eta: WeightOrNone = 1.0
    """Weight of the squared constraint, of means over D (the published sums are |D| times larger)."""


class StableDr(LearnedDoublyRobust):
    """SNIPS with a learned p̂ that is held to mean_D [(1 - o / p̂)(ê - mean_D ê)] = 0.

    Source: Li, Zheng & Wu, ICLR 2023; docs/methods/debias.md#stable-doubly-robust. Under the constraint SNIPS of ê is
    mean_D ê, so the estimate is right if p̂ is or if ê is; and a SNIPS mean lies between the least and the largest
    error however small p̂ is. The three steps of a cycle are one step here: the prediction takes p̂ as given, p̂ the
    imputation, the imputation both. The divisor is the batch's own (`propensity.self_normalise: off` means `batch`),
    since p̂ moves while it is learned. The square of a batch's mean has the variance of that mean as a bias: larger
    batches, truer constraint.
    """

    Config = StableDrConfig
    config: StableDrConfig
    auxiliary_towers = (IMPUTATION, OWN_EXPOSURE)

    def __init__(self, config: StableDrConfig, options: PropensityOptions) -> None:
        super().__init__(config, normalised(options, "batch"))

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
        learned = exposure_loss(rows) + self.config.eta * self.imbalance(rows).square()
        return super().forward(rows) + learned

    def risk(self, rows: TaskRows) -> Tensor:
        """Return sum_O e / p̂ / sum_O 1 / p̂, which trains the prediction."""
        return self.weights.estimate(rows, rows.loss_B, self.propensity(rows))

    def imbalance(self, rows: TaskRows) -> Tensor:
        """Return mean_D [(1 - o / p̂)(ê - mean_D ê)], which trains p̂ alone."""
        imputed_B = self.imputed(rows).detach()
        inverse_B = self.weights.observed_inverse(rows, self.propensity(rows))
        return rows.mean((1 - inverse_B) * (imputed_B - rows.mean(imputed_B)))
