"""The one interface of every propensity model, and the options that every weighting objective obeys.

A propensity is the probability that the logging policy exposed a row. Models are fitted on train days and applied to
arrays; nothing here needs a gradient.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.component import ComponentConfig

PropensityState = dict[str, NDArray[Any]]
"""What a propensity model learned from train rows: name -> array. Saved as safetensors."""


class PropensityOptions(ComponentConfig):
    """How weights are made from propensities; every propensity model's configuration extends it."""

    clip: float = Field(default=0.05, gt=0, le=1)
    """Propensities below this count as this, which bounds every weight by 1 / clip."""
    self_normalise: Literal["off", "batch", "running"] = "off"
    """Divide weights by their mean: over the batch's observed rows, or over all observed rows trained on so far, which
    has less ratio bias (`debias.md` section 4.3, SNIPS)."""


@dataclass(frozen=True)
class Exposures:
    """Exposed rows of some days.

    Attributes:
        item: int64 [rows], row of the item in its vocabulary; 0 is "unknown".
        logged: float64 [rows], logged exposure probability, NaN where the log has none.
        random: bool [rows], True on rows exposed uniformly at random.
    """

    item: NDArray[np.int64]
    logged: NDArray[np.float64]
    random: NDArray[np.bool_]


class Propensity(ABC):
    """Exposure probabilities of rows, from a state fitted on train days only."""

    Config: ClassVar[type[PropensityOptions]]

    @classmethod
    @abstractmethod
    def fit_state(cls, config: Any, train: Exposures) -> PropensityState:
        """Fit the state on train rows."""

    def __init__(self, config: Any, state: PropensityState) -> None:
        self.config = config
        self.state = state

    @abstractmethod
    def apply(self, rows: Exposures) -> NDArray[np.float64]:
        """Return the propensity of every row, in (0, 1], not yet clipped; 1 on random rows, which need no weight."""
