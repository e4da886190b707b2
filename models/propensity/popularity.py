"""Popularity as a propensity: what was shown often was likely to be shown."""

from typing import Literal

import numpy as np

from models.propensity.base import Exposures, Floats, Propensity, PropensityOptions, PropensityState
from models.ranges import WeightOrNone


class PopularityConfig(PropensityOptions):
    """How steeply the propensity follows the count."""

    kind: Literal["popularity"] = "popularity"
    eta: WeightOrNone = 0.5
    """Exponent; 0 gives every item propensity 1."""


class Popularity(Propensity):
    """(count / max count)^eta per item, from the policy's own observed rows of the train days.

    Source: docs/methods/debias.md#propensity-models. An item without a train row counts as seen once. Known up to a
    factor only: calibrate it where a mean over D matters.
    """

    Config = PopularityConfig

    @classmethod
    def fit_state(cls, config: PopularityConfig, train: Exposures) -> PropensityState:
        """Count observations.

        Returns:
            count: int64 [largest item code + 1].

        Raises:
            ValueError: if no train row was observed because of the policy.
        """
        shown = train.item[train.chosen]
        if len(shown) == 0:
            raise ValueError("popularity propensities need rows that the policy exposed: all train rows are random")
        return {"count": np.bincount(shown)}

    def apply(self, rows: Exposures) -> Floats:
        """Return the propensity of every row."""
        count_of = self.state["count"]
        known = rows.item < len(count_of)
        count = np.where(known, count_of[np.where(known, rows.item, 0)], 0)
        propensity = (np.maximum(count, 1) / count_of.max()) ** self.config.eta
        return np.where(rows.random, 1.0, propensity)
