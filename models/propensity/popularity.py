"""Popularity as a propensity: what was shown often was likely to be shown."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.propensity.base import Exposures, Propensity, PropensityOptions, PropensityState


class PopularityConfig(PropensityOptions):
    """How steeply the propensity follows the count."""

    kind: Literal["popularity"] = "popularity"
    eta: float = Field(default=0.5, ge=0)
    """Exponent; 0 gives every item propensity 1."""


class Popularity(Propensity):
    """(count / max count)^eta per item, from the policy's own rows of the train days.

    Source: `debias.md` section 4.1. An item without a train row counts as seen once.
    """

    Config = PopularityConfig

    @classmethod
    def fit_state(cls, config: PopularityConfig, train: Exposures) -> PropensityState:
        """Count exposures.

        Returns:
            count: int64 [largest item code + 1].

        Raises:
            ValueError: if no train row was exposed by the policy.
        """
        shown = train.item[~train.random]
        if len(shown) == 0:
            raise ValueError("popularity propensities need rows that the policy exposed: all train rows are random")
        return {"count": np.bincount(shown)}

    def apply(self, rows: Exposures) -> NDArray[np.float64]:
        """Return the propensity of every row."""
        count_of = self.state["count"]
        known = rows.item < len(count_of)
        count = np.where(known, count_of[np.where(known, rows.item, 0)], 0)
        propensity = (np.maximum(count, 1) / count_of.max()) ** self.config.eta
        return np.where(rows.random, 1.0, propensity)
