"""What ESCM2 puts around a weighted loss: the two losses of the funnel on the entire space.

Shape legend: B rows.
"""

from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import TaskRows
from models.objectives.exposure import exposure_loss
from models.objectives.share import entire_space_loss, share_of
from models.ranges import Weight, WeightOrNone


class FunnelConfig(ComponentConfig):
    """Weights of the terms; published values lie between 0.1 and 1. The publication clips p̂ at 0.1: `propensity.clip`."""

    counterfactual: Weight = 1.0
    """l_c (beta in IPS-V2 and DR-V2), of the weighted loss."""
    entire_space: WeightOrNone = 1.0
    """l_g (alpha in IPS-V2 and DR-V2), of CE(p̂ r̂, o r); 0 leaves it out, which heads without a native mean need."""


def funnel_loss(rows: TaskRows, config: FunnelConfig, propensity_B: Tensor) -> Tensor:
    """Return CE(p̂, o) + l_g CE(p̂ r̂, o r).

    Args:
        rows: the batch.
        config: weights of the terms.
        propensity_B: p̂, with gradient.
    """
    loss = exposure_loss(rows)
    if config.entire_space == 0:
        return loss
    share_B = share_of(rows, config.kind, "set objective.entire_space to 0")
    return loss + config.entire_space * entire_space_loss(rows, propensity_B, share_B)
