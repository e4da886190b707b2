"""Where a watch-time scale is cut: CREAD's error-adaptive discretisation (EAD) of the train labels.

Shape legend: J cut points, the leading 0 among them.
"""

import numpy as np
from numpy.typing import NDArray

from models.component import ComponentConfig
from models.heads.base import TrainLabels
from models.ranges import Groups, Weight, WeightOrNone

CURVATURES = np.arange(0.001, 5, 0.1)
"""Where the best curvature is looked for."""


class ThresholdConfig(ComponentConfig):
    """How heads of many thresholds cut the scale."""

    thresholds: Groups = 50
    """Cuts asked for; equal ones count once, so zeros leave fewer."""
    curvature: Weight | None = None
    """EAD's a: near 0 cuts at equal frequency, larger cuts the tail finer. Null takes the best for the train rows."""
    restoration: WeightOrNone = 50.0
    """EAD's beta: weight of the error of a coarse cut against that of rare events."""


def fit_cuts(config: ThresholdConfig, labels: TrainLabels) -> NDArray[np.float32]:
    """Return 0 = t_0 < t_1 < ... in seconds, [J] with J >= 2, for the configured or best curvature.

    Where nobody watched anything the only cut beside 0 is the longest duration.
    """
    # Batches carry float32 seconds: a cut must compare with them as it does with the train rows.
    ordered = np.sort(labels.watch_s.astype(np.float32))
    curvature = config.curvature
    if curvature is None:
        curvature = best_curvature(ordered, config.thresholds, config.restoration)
    cuts = ead_cuts(ordered, config.thresholds, curvature)
    return cuts if len(cuts) > 1 else np.array([0, max(labels.duration_s.max(), 1)], dtype=np.float32)


def ead_cuts(ordered: NDArray[np.float32], thresholds: int, curvature: float) -> NDArray[np.float32]:
    """Return 0 and the distinct t_m = F^-1(g(m / M)), g(z) = (1 - e^(-a z)) / (1 - e^(-a)).

    Source: docs/methods/watch_time.md#error-adaptive-thresholds.

    Args:
        ordered: ascending train watch times, seconds; F^-1 is their smallest value of at least that rank.
        thresholds: M.
        curvature: a, positive.
    """
    z = np.arange(1, thresholds + 1) / thresholds
    levels = np.expm1(-curvature * z) / np.expm1(-curvature)
    # A level that names a rank exactly must not be rounded up to the next one.
    ranks = np.ceil(levels * len(ordered) - 1e-6).astype(np.int64).clip(1, len(ordered))
    return np.unique(np.append(ordered[ranks - 1], 0)).astype(np.float32)


def best_curvature(ordered: NDArray[np.float32], thresholds: int, restoration: float) -> float:
    """Return the curvature of `CURVATURES` with the least error A_w + beta A_b; the smallest among equals."""
    errors = [ead_error(ordered, ead_cuts(ordered, thresholds, a), restoration) for a in CURVATURES]
    return float(CURVATURES[int(np.argmin(errors))])


def ead_error(ordered: NDArray[np.float32], cuts: NDArray[np.float32], restoration: float) -> float:
    """Return A_w + beta A_b of cuts, in squared seconds: learning error and restoration error.

    Our reading of the bins: they lie between distinct cuts and the first one holds the zeros too. It is the reading
    under which the train rows of protocol R0 give the published a = .2 and 46 cuts above 0.
    """
    if len(cuts) < 2:
        return 0.0
    share_upto = np.searchsorted(ordered, cuts[1:], side="right") / len(ordered)
    mass = np.diff(share_upto, prepend=0.0)
    width = np.diff(cuts.astype(np.float64))
    learning = (mass**2).sum() * (width**2 / mass).sum()
    return float(learning + restoration * (mass**2).sum() * (width**2).sum())


def survival_logits(cuts: NDArray[np.float32], watch_s: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return logit P(watch > t_j) of the train rows, [J]; half a row is added to either side, so all are finite."""
    above = len(watch_s) - np.searchsorted(np.sort(watch_s.astype(np.float32)), cuts, side="right")
    return _logits(above, len(watch_s) - above)


def hazard_logits(
    cuts: NDArray[np.float32], watch_s: NDArray[np.float64], censored: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return logit P(watch <= t_j | watch > t_(j-1)) of the train rows, [J], with the same half rows.

    Args:
        cuts: t_0 = 0 and the thresholds.
        watch_s: seconds, [rows].
        censored: rows that stopped nowhere: they count where they survived only, [rows].
    """
    node = np.searchsorted(cuts, watch_s.astype(np.float32))
    stops = np.bincount(node[~censored], minlength=len(cuts) + 1)[: len(cuts)]
    survivors = len(node) - np.cumsum(np.bincount(node, minlength=len(cuts) + 1))[: len(cuts)]
    return _logits(stops, survivors)


def _logits(positives: NDArray[np.int64], negatives: NDArray[np.int64]) -> NDArray[np.float32]:
    logits: NDArray[np.float32] = np.log((positives + 0.5) / (negatives + 0.5)).astype(np.float32)
    return logits
