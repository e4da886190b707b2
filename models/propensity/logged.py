"""Logged propensities: the policy wrote down how likely each exposure was. Always to be preferred."""

from typing import Literal

import numpy as np

from models.propensity.base import Exposures, Floats, Propensity, PropensityOptions, PropensityState
from models.propensity.popularity import Popularity, PopularityConfig
from models.ranges import WeightOrNone


class LoggedConfig(PropensityOptions):
    """What stands in where the log has no probability."""

    kind: Literal["logged"] = "logged"
    unknown: Literal["error", "popularity"] = "error"
    """A row without a logged probability is an error, or takes the popularity propensity."""
    eta: WeightOrNone = 0.5
    """Exponent of the popularity propensity."""


class Logged(Propensity):
    """The logged probability of every row; random rows need none."""

    Config = LoggedConfig

    @classmethod
    def fit_state(cls, config: LoggedConfig, train: Exposures) -> PropensityState:
        """Fit the fallback's state; empty where unknown probabilities are an error."""
        if config.unknown == "error":
            return {}
        return Popularity.fit_state(PopularityConfig(eta=config.eta), train)

    def apply(self, rows: Exposures) -> Floats:
        """Return the propensity of every row; NaN on unobserved rows without one.

        Raises:
            ValueError: if a row that the policy chose has no logged probability and `unknown` is "error", or one outside
                (0, 1].
        """
        known = ~np.isnan(rows.logged)
        bad = known & ~((rows.logged > 0) & (rows.logged <= 1))
        if bad.any():
            raise ValueError(f"logged propensity {rows.logged[bad][0]} of row {int(np.argmax(bad))} is not in (0, 1]")
        missing = ~known & rows.chosen
        if missing.any() and self.config.unknown == "error":
            raise ValueError(
                f"{int(missing.sum())} of {len(rows)} rows have no logged propensity (first: row "
                f"{int(np.argmax(missing))}); set propensity.unknown to 'popularity' or propensity.kind to 'popularity'"
            )
        if self.config.unknown == "error":
            return np.where(rows.random, 1.0, rows.logged)
        fallback = Popularity(PopularityConfig(eta=self.config.eta), self.state).apply(rows)
        return np.where(rows.random, 1.0, np.where(known, rows.logged, fallback))
