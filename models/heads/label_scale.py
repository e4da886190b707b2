"""The constant that makes a loss in seconds unit-free."""

import numpy as np

from models.heads.base import TrainLabels

MIN_SCALE_S = 1.0
"""Floor of a fitted scale, for train days on which next to nothing was watched."""


def label_scale(scale_s: float | None, labels: TrainLabels, quantile: float) -> float:
    """Return the configured scale, or where it is None the train labels' quantile, in seconds."""
    if scale_s is not None:
        return scale_s
    return max(float(np.quantile(labels.watch_s, quantile)), MIN_SCALE_S)
