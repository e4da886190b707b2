"""The evidence of many worlds on all their nights at once: `tasks.gate.evidence` in running sums.

`weigh` reads one night's ledger; years of hundreds of worlds need it some ten million times. A test and every decisive night
hold the two against each other.

Shapes: W worlds, N nights, K challengers, T tested metrics; `...` any of the leading ones.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from benchmarks.gate.world import FloatArray
from tasks.gate.config import GatePolicy
from tasks.gate.evidence import NEWCOMERS
from tasks.gate.evidence_process import PRIOR_NIGHTS, WEEK, WEEKS_NEEDED

BoolArray = NDArray[np.bool_]


class Increments(NamedTuple):
    """Single nights' differences and their standard errors, nights last."""

    delta_WKTN: FloatArray
    error_WKTN: FloatArray


def superior(increments: Increments, policy: GatePolicy, precision_WKT: FloatArray | None = None) -> BoolArray:
    """Return [W, N, K]: whether a challenger is called better on a night that may decide, with both margins kept.

    All challengers start with the reign.

    Args:
        increments: the reign's nights.
        policy: error, first decision, margins.
        precision_WKT: r of the prior; None: 20 s^2 of the first night, as the gate has it.
    """
    delta, error = increments
    total, variance = np.cumsum(delta, axis=-1), variance_path(delta, error)
    first = PRIOR_NIGHTS * error[..., 0] ** 2 if precision_WKT is None else precision_WKT
    evidence = np.exp(log_e(total, variance, first[..., None])).mean(axis=2)
    better = closed(np.moveaxis(evidence, -1, 1), policy.significance * (1 - NEWCOMERS))
    world, night, challenger = np.nonzero(better)
    at = world, challenger, slice(None), night
    kept = np.ones(world.size, dtype=bool)
    for metric, margin in enumerate((policy.pooled_xauc_margin, policy.pooled_xgauc_margin)):
        # The lower bound of the mean reaches -margin where E, the sum moved by it, reaches 1 / alpha.
        moved = total[at][:, metric] + (night + 1) * margin
        prior = first[world, challenger, metric]
        kept &= log_e(moved, variance[at][:, metric], prior) >= -np.log(policy.significance)
    some, place = np.unique(world, return_inverse=True)
    lasting: BoolArray = np.any(autocorrelation_path(delta[some]) > policy.autocorrelation_limit, axis=2)
    earliest = np.where(
        lasting[place, challenger, night], max(policy.upgrade_days, policy.autocorrelated_days), policy.upgrade_days
    )
    better[world, night, challenger] = kept & (night + 1 >= earliest)
    return better


def log_e(total: FloatArray, variance: FloatArray, precision: FloatArray) -> FloatArray:
    """Return log E, capped at 700."""
    spread = variance + precision
    log: FloatArray = (
        np.log(2) + 0.5 * np.log(precision / spread) + total**2 / (2 * spread) + log_ndtr(total / np.sqrt(spread))
    )
    return np.minimum(log, 700)


def variance_path(delta: FloatArray, error: FloatArray) -> FloatArray:
    """Return V of the sum after each night: `variance_of_sum` of every prefix."""
    size = delta.shape[-1]
    nights = np.arange(1, size + 1)
    total = np.cumsum(delta, axis=-1)
    largest = np.cumsum(error**2, axis=-1) / nights
    if size >= WEEK:
        late = nights[WEEK - 1 :]
        between = (np.cumsum(delta**2, axis=-1)[..., WEEK - 1 :] - total[..., WEEK - 1 :] ** 2 / late) / (late - 1)
        largest[..., WEEK - 1 :] = np.maximum(largest[..., WEEK - 1 :], between)
    if size >= WEEK * WEEKS_NEEDED:
        weeks, spread = _between_weeks(total)
        enough = weeks >= WEEKS_NEEDED
        few = 1 + np.sqrt(2 / (weeks[enough] - 1))
        tail = largest[..., WEEK - 1 :]
        tail[..., enough] = np.maximum(tail[..., enough], WEEK * few * spread[..., enough])
    return nights * largest


def _between_weeks(total: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return, from the seventh night on, the whole weeks that end there and the variance of their means."""
    before = np.concatenate([np.zeros_like(total[..., :1]), total[..., :-WEEK]], axis=-1)
    mean = (total[..., WEEK - 1 :] - before) / WEEK
    size = mean.shape[-1]
    padded = np.zeros((*mean.shape[:-1], -(-size // WEEK) * WEEK))
    padded[..., :size] = mean
    by_phase = padded.reshape(*mean.shape[:-1], -1, WEEK)
    first, second = (np.cumsum(by_phase**power, axis=-2).reshape(padded.shape)[..., :size] for power in (1, 2))
    weeks = np.arange(size) // WEEK + 1.0
    return weeks, (second - first**2 / weeks) / np.maximum(weeks - 1, 1)


def autocorrelation_path(delta: FloatArray) -> FloatArray:
    """Return `autocorrelation` of every prefix; NaN in the first week."""
    nights = np.arange(1, delta.shape[-1] + 1)
    total = np.cumsum(delta, axis=-1)
    mean = total / nights
    power = np.cumsum(delta**2, axis=-1) - nights * mean**2
    product = np.zeros_like(delta)
    product[..., 1:] = np.cumsum(delta[..., 1:] * delta[..., :-1], axis=-1)
    lagged = product - mean * (2 * total - delta - delta[..., :1]) + (nights - 1) * mean**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(nights >= WEEK, lagged / power, np.nan)


def closed(evidence_WNK: FloatArray, alpha: float) -> BoolArray:
    """Return [W, N, K] what `rejected` returns: E averaged with any of the others reaches 1 / alpha."""
    challengers = evidence_WNK.shape[-1]
    found = np.zeros(evidence_WNK.shape, dtype=bool)
    some = (evidence_WNK >= 1 / alpha).any(axis=-1)
    values = evidence_WNK[some]
    ordered = np.argsort(values, axis=-1)
    sorted_values = np.take_along_axis(values, ordered, axis=-1)
    below = np.concatenate([np.zeros_like(values[:, :1]), np.cumsum(sorted_values, axis=-1)], axis=-1)
    smallest = np.full_like(values, np.inf)
    own_place = np.arange(challengers)
    for size in range(challengers):
        # The `size` smallest of the others: for those among them itself, one further takes the own place.
        own_inside = own_place < size
        others = np.where(own_inside, below[:, [min(size + 1, challengers)]] - sorted_values, below[:, [size]])
        smallest = np.minimum(smallest, (sorted_values + others) / (size + 1))
    better = np.empty_like(values, dtype=bool)
    np.put_along_axis(better, ordered, smallest >= 1 / alpha, axis=-1)
    found[some] = better
    return found
