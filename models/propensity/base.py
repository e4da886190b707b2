"""The one interface of every propensity model, and the options that every weighting objective obeys.

A propensity is the probability that a row of the population D was observed: that the logging policy exposed it, or that
its user clicked, whichever the recipe's selection says. Models are fitted on train days and applied to arrays.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.component import ComponentConfig
from models.ranges import Number, Whole

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PropensityState = dict[str, NDArray[Any]]
"""What a propensity model learned from train rows: name -> array. Saved as safetensors."""

_PER_ROW = ("item", "user", "observed", "logged", "random", "kept", "label")


class PropensityOptions(ComponentConfig):
    """How weights are made from propensities; every propensity model's configuration extends it."""

    clip: Number = Field(default=0.05, gt=0, le=1)
    """Propensities below this count as this, which bounds every weight by 1 / clip."""
    self_normalise: Literal["off", "batch", "running"] = "off"
    """Divide weights by their mean: over the batch's observed rows, or over all observed rows trained on so far, which
    has less ratio bias (docs/methods/debias.md#self-normalised-inverse-propensity-scoring)."""
    calibration: Literal["none", "platt", "isotonic"] = "none"
    """Map propensities to observed shares: a logistic or a monotone curve fitted on held-out users of the fit days. Needs
    unobserved rows, so a selection other than `impression`."""
    folds: Whole = Field(default=1, ge=1, le=100)
    """Cross-fitting: users fall into this many parts and each part takes the model fitted on the others; 1: one model of
    all rows. For models flexible enough to remember rows."""


@dataclass(frozen=True)
class Exposures:
    """Rows of the population D over some days, all [rows].

    Unobserved rows may be a sample: a row with observed False stands for 1 / kept rows of D, every other for itself.

    Attributes:
        item: int64, row of the item in its vocabulary; 0 is "unknown".
        user: int64, a stable key of the user.
        observed: True on the rows whose label was seen.
        logged: float64, logged probability of being observed, NaN where the log has none.
        random: True on rows observed because of a uniformly random draw, never because of the policy.
        kept: float64 > 0, on observed rows too: rate at which unobserved rows of this row's kind (its day) were kept;
            above 1 where they were drawn more often than once each.
        label: float64, the feedback that naive Bayes conditions on; NaN where unobserved or not read.
        fields: categorical inputs of a network, name -> int64 codes.
        numbers: numeric inputs of a network, name -> float64, NaN where missing.
    """

    item: Ints
    user: Ints
    observed: Bools
    logged: Floats
    random: Bools
    kept: Floats
    label: Floats
    fields: Mapping[str, Ints] = field(default_factory=dict)
    numbers: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.item)

    @property
    def stands_for(self) -> Floats:
        """Rows of D that each row stands for, [rows]."""
        return np.where(self.observed, 1.0, 1 / self.kept)

    @property
    def chosen(self) -> Bools:
        """Rows that were observed because of the policy, [rows]."""
        return self.observed & ~self.random

    def where(self, keep: Bools) -> "Exposures":
        """Return the rows that `keep` marks."""
        return self._mapped(lambda values, _: values[keep], self)

    def joined(self, other: "Exposures") -> "Exposures":
        """Return these rows followed by those of `other`, which has the same inputs."""
        return self._mapped(lambda mine, theirs: np.concatenate([mine, theirs]), other)

    def _mapped(self, change: Callable[[Any, Any], Any], other: "Exposures") -> "Exposures":
        columns: dict[str, Any] = {name: change(getattr(self, name), getattr(other, name)) for name in _PER_ROW}
        fields = {name: change(values, other.fields[name]) for name, values in self.fields.items()}
        numbers = {name: change(values, other.numbers[name]) for name, values in self.numbers.items()}
        return Exposures(**columns, fields=fields, numbers=numbers)


class Propensity(ABC):
    """Observation probabilities of rows, from a state fitted on train days only.

    `models.propensity.fit` adds cross-fitting and calibration to any of them.
    """

    Config: ClassVar[type[PropensityOptions]]

    @classmethod
    @abstractmethod
    def fit_state(cls, config: Any, train: Exposures) -> PropensityState:
        """Fit the state on train rows.

        Raises:
            ValueError: if the rows lack what the model learns from.
        """

    def __init__(self, config: Any, state: PropensityState) -> None:
        self.config = config
        self.state = state

    @abstractmethod
    def apply(self, rows: Exposures) -> Floats:
        """Return the propensity of every row, in (0, 1], not yet clipped; 1 on random rows, which need no weight.

        NaN on unobserved rows where the model cannot say: no estimator divides by those.
        """
