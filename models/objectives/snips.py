"""Self-normalised inverse propensity scoring."""

from typing import Literal

from models.component import ComponentConfig
from models.objectives.ips import Ips
from models.objectives.weights import normalised
from models.propensity.base import PropensityOptions


class SnipsConfig(ComponentConfig):
    """Nothing to set: clipping is an option of the propensity."""

    kind: Literal["snips"] = "snips"


class Snips(Ips):
    """sum_O e / p / sum_O 1 / p: propensities known up to a factor suffice, and the variance is lower than that of IPS.

    Source: Swaminathan & Joachims, NIPS 2015; docs/methods/debias.md#self-normalised-inverse-propensity-scoring. The
    divisor is the mean of 1 / p over all rows trained on so far, which has less ratio bias than that of one batch;
    `propensity.self_normalise: batch` takes the batch's. The loss keeps the scale of a plain mean, so that weight decay
    means the same as for the naive objective.
    """

    Config = SnipsConfig

    def __init__(self, config: SnipsConfig, options: PropensityOptions) -> None:
        super().__init__(config, normalised(options, "running"))
