"""What IPS-V2 and DR-V2 add to a weighted loss: a propensity that balances, learned with the prediction.

Shape legend: B rows, E width of an encoder's output, K balanced functions.
"""

from typing import Literal

from torch import Tensor

from models.objectives.base import TaskRows
from models.objectives.exposure import exposure_probability
from models.objectives.funnel import FunnelConfig, funnel_loss
from models.objectives.share import share_of
from models.objectives.weights import PropensityWeights
from models.ranges import WeightOrNone


class BalancingConfig(FunnelConfig):
    """Weights of the terms: alpha is `entire_space`, beta `counterfactual`. The publication names no default; all are ours."""

    balance: WeightOrNone = 1.0
    """gamma, of the balancing error."""
    balance_on: Literal["prediction", "representation"] = "representation"
    """phi: what must have the same mean under both weightings, r̂ or the encoder's output."""


def balancing_loss(rows: TaskRows, config: BalancingConfig, weights: PropensityWeights) -> Tensor:
    """Return CE(p̂, o) + alpha CE(p̂ r̂, o r) + gamma BMSE: the funnel and what balances it, all but the weighted loss."""
    propensity_B = exposure_probability(rows)
    loss = funnel_loss(rows, config, propensity_B)
    if config.balance == 0:
        return loss
    return loss + config.balance * balancing_error(rows, _phi(rows, config), propensity_B, weights)


def balancing_error(rows: TaskRows, phi_BK: Tensor, propensity_B: Tensor, weights: PropensityWeights) -> Tensor:
    """Return BMSE = | mean_D [(o / p̂ - (1 - o) / (1 - p̂)) phi] |^2 / K, which trains p̂ alone.

    Source: docs/methods/debias.md#ips-v2-and-dr-v2; both inverses are clipped. Divided by K so that its weight carries
    over between widths (our reading). Random rows are left out. The square of a batch's mean has the variance of that
    mean as a bias.
    """
    unobserved_B = 1 - rows.observed_B
    signed_B = weights.observed_inverse(rows, propensity_B) - unobserved_B * weights.inverse(1 - propensity_B)
    weighted_B = rows.weight_B * ~rows.random_B * signed_B
    return (weighted_B.unsqueeze(1) * phi_BK.detach()).sum(dim=0).square().mean()


def _phi(rows: TaskRows, config: BalancingConfig) -> Tensor:
    if config.balance_on == "representation":
        return rows.encoded_BE
    return share_of(rows, config.kind, "set objective.balance_on to 'representation'").unsqueeze(1)
