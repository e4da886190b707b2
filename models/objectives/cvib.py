"""Counterfactual variational information bottleneck: observed and all rows are predicted alike on average.

Shape legend: B rows.
"""

from typing import Literal

from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import Objective, TaskRows
from models.objectives.share import cross_entropy, share_of
from models.propensity.base import PropensityOptions
from models.ranges import WeightOrNone


class CvibConfig(ComponentConfig):
    """Weights of the two regularisers. These values are ours."""

    kind: Literal["cvib"] = "cvib"
    contrast: WeightOrNone = 0.1
    """alpha, of the cross-entropy between the mean prediction on O and the one on D."""
    confidence: WeightOrNone = 0.01
    """g, of mean_O r̂ log r̂, which keeps predictions away from 0 and 1."""


class Cvib(Objective):
    """mean_O e + alpha [-A log B - (1 - A) log(1 - B)] + g mean_O r̂ log r̂; A, B mean predictions on O and on D.

    Source: Wang et al., NeurIPS 2020; docs/methods/debias.md#information-bottleneck. For watch time predictions are
    expected shares watched.
    """

    Config = CvibConfig
    may_be_negative = True
    needs_unobserved = True

    def __init__(self, config: CvibConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.config = config

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss; 0 for a batch without an observed row, which has no A.

        Raises:
            ValueError: if the task is watch time and its head has no native mean.
        """
        share_B = share_of(rows, "cvib")
        on_observed, on_all = rows.observed_mean(share_B), rows.mean(share_B) / rows.weight_B.sum()
        contrast = (rows.observed_B.sum() > 0) * cross_entropy(on_all, on_observed)
        confidence = rows.observed_mean(share_B * share_B.log())
        return rows.observed_mean(rows.loss_B) + self.config.contrast * contrast + self.config.confidence * confidence
