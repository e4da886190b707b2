"""The doubly robust loss under a propensity that is learned beside the prediction: the base of four objectives."""

from typing import Any

from torch import Tensor

from models.objectives.base import TaskRows
from models.objectives.doubly_robust import JointDoublyRobust
from models.objectives.exposure import exposure_probability
from models.propensity.base import PropensityOptions


class LearnedDoublyRobust(JointDoublyRobust):
    """L_DR and the imputation of DR-JL with p̂ from an auxiliary tower `exposure`; a subclass adds what trains that tower.

    L_DR passes no gradient to p̂, which it would drive to 1.
    """

    weighs_by_propensity = False

    def __init__(self, config: Any, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.config = config

    def propensity(self, rows: TaskRows) -> Tensor:
        """Return p̂, [B]."""
        return exposure_probability(rows)
