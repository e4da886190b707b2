"""Relevance from implicit feedback: a missing event is no sign of dislike where it was unlikely to be seen.

Shape legend: B rows.
"""

from typing import Literal

from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import Objective, TaskRows
from models.objectives.share import cross_entropy, share_of
from models.objectives.weights import PropensityWeights
from models.propensity.base import PropensityOptions


class RelMfConfig(ComponentConfig):
    """Nothing to set: th is the recipe's propensity, meant to be `popularity`, clipped at `propensity.clip`."""

    kind: Literal["rel_mf"] = "rel_mf"


class RelMf(Objective):
    """mean_D [-(r / th) log r̂ - (1 - r / th) log(1 - r̂)], r = 0 where unobserved.

    Source: Saito et al., WSDM 2020; docs/methods/debias.md#relevance-from-implicit-feedback. Its expectation is the
    cross-entropy to the relevance if th is the probability of observation. A positive row with th < 1 has a loss
    without a lower bound; r̂ is clamped at 1e-6 from 0 and 1, which bounds it. For watch time r is the share watched.
    """

    Config = RelMfConfig
    may_be_negative = True
    weighs_by_propensity = True
    needs_unobserved = True

    def __init__(self, config: RelMfConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        if options.self_normalise != "off":
            raise ValueError(
                f"objective 'rel_mf' needs th itself, not up to a factor: propensity.self_normalise is "
                f"{options.self_normalise!r}, set it to 'off'"
            )
        self.weights = PropensityWeights(options)

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss.

        Raises:
            ValueError: if the task is watch time and its head has no native mean.
        """
        inverse_B = self.weights(rows.observed_B, rows.propensity_B, rows.random_B)
        return rows.mean(cross_entropy(share_of(rows, "rel_mf"), inverse_B * rows.share_label_B))
