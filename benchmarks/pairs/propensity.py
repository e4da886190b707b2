"""Exposure probabilities of every pair of a small catalogue.

Shape legend: U users, I items.
"""

from typing import Literal

import numpy as np

from benchmarks.pairs.data import FloatArray, PairData
from models.propensity import PROPENSITIES
from models.propensity.base import Exposures
from models.propensity.network import NetworkConfig
from models.propensity.popularity import PopularityConfig

PropensityName = Literal["logistic", "popularity", "given", "constant"]


def fit_propensity(data: PairData, name: PropensityName) -> FloatArray:
    """Return P(o = 1) of every pair, [U, I], not clipped, from the training exposures.

    No label is read, so validation ratings are exposures like the others. `constant` is the exposure rate itself.

    Args:
        data: the catalogue.
        name: `logistic` is a logistic regression on the two ids by log-loss on all pairs; `popularity` the item count over
            the largest one, to the power 1/2, so known up to a factor only; `given` what came with the data.

    Raises:
        ValueError: if `given` is asked for and the data has none.
    """
    rate = len(data.train) / data.num_pairs
    if name == "constant":
        return np.full((data.num_users, data.num_items), rate)
    if name == "given":
        if data.propensity_UI is None:
            raise ValueError(f"{data.name} came without propensities: fit them ('logistic' or 'popularity')")
        return np.clip(data.propensity_UI, np.finfo(np.float64).tiny, 1.0)
    rows = _exposures(data)
    config = NetworkConfig(fields=("user", "item")) if name == "logistic" else PopularityConfig()
    model = PROPENSITIES[config.kind]
    return model(config, model.fit_state(config, rows)).apply(rows).reshape(data.num_users, data.num_items)


def _exposures(data: PairData) -> Exposures:
    user = np.repeat(np.arange(data.num_users), data.num_items)
    item = np.tile(np.arange(data.num_items), data.num_users)
    observed = np.zeros(data.num_pairs, dtype=bool)
    observed[data.train.pairs(data.num_items)] = True
    nothing = np.full(data.num_pairs, np.nan)
    return Exposures(
        item=item,
        user=user,
        observed=observed,
        logged=nothing,
        random=np.zeros_like(observed),
        kept=np.ones(data.num_pairs),
        label=nothing,
        fields={"user": user, "item": item},
    )
