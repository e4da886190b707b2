"""The rule that the gate had before: the last week's nights pooled, looked at every night, challengers not corrected."""

import numpy as np
from scipy.special import ndtr

from benchmarks.gate.paths import BoolArray, Increments
from benchmarks.gate.world import FloatArray
from tasks.gate.config import GatePolicy

POOLED_NIGHTS = 7


def superior_by_pool(increments: Increments, policy: GatePolicy) -> BoolArray:
    """Return [W, N, K]: whether XAUC or XGAUC is better at 5 % after Holm's correction, with both margins kept.

    The pool of seven nights has their mean difference and the standard error of independent nights. Nothing is decided before
    the seventh.
    """
    mean, squared = (_rolling(array) for array in (increments.delta_WKTN, increments.error_WKTN**2))
    error = np.sqrt(squared / POOLED_NIGHTS)
    smallest = np.min(1 - ndtr(mean / error), axis=2) * 2
    margins = np.array([policy.pooled_xauc_margin, policy.pooled_xgauc_margin])[:, None]
    kept = (mean - policy.bound_z * error >= -margins).all(axis=2)
    found = (smallest <= policy.significance) & kept
    early = np.zeros((*found.shape[:-1], POOLED_NIGHTS - 1), dtype=bool)
    return np.moveaxis(np.concatenate([early, found], axis=-1), -1, 1)


def _rolling(array: FloatArray) -> FloatArray:
    """Return the mean of every seven nights."""
    windows = np.lib.stride_tricks.sliding_window_view(array, POOLED_NIGHTS, axis=-1)
    mean: FloatArray = windows.mean(axis=-1)
    return mean
