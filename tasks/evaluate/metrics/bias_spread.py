"""How unevenly a prediction errs over groups, such as duration deciles (docs/methods/metrics.md#bias-spread).

An error that is equal in all groups is a matter of calibration and does not count; one that differs favours some groups.

Shapes: R replicates, G bins.
"""

import numpy as np

from tasks.evaluate.metrics.calibration import dce_s
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import Array, FloatArray
from tasks.evaluate.metrics.ratio import ratio
from tasks.evaluate.metrics.user_statistics import UserBinSums


class BiasSpread(UserBinSums):
    """The row-weighted standard deviation over bins of (mean p - mean y), from per-user sums in each bin."""

    def _error(self, prediction_RG: FloatArray, label_RG: FloatArray, rows_RG: FloatArray) -> FloatArray:
        gap_RG = ratio(prediction_RG - label_RG, rows_RG, undefined=0.0)
        rows_R = rows_RG.sum(axis=1)
        mean_R1 = ratio((rows_RG * gap_RG).sum(axis=1), rows_R)[:, None]
        spread_R: FloatArray = np.sqrt(ratio((rows_RG * np.square(gap_RG - mean_R1)).sum(axis=1), rows_R))
        return spread_R


def bias_spread(label_B: Array, prediction_B: Array, bins: Groups, users: Groups | None = None) -> BiasSpread:
    """Returns the row-weighted standard deviation over bins of (mean p - mean y), in the label's unit.

    "Spread" is read as a standard deviation: the range of the bins would grow with their number and their noise.

    Args:
        label_B: [B] label.
        prediction_B: [B] prediction in the label's unit.
        bins: Bin of each row.
        users: Group of each row for the bootstrap.

    Raises:
        ValueError: If a value is not finite or the lengths differ.
    """
    sums = dce_s(label_B, prediction_B, bins, users)
    return BiasSpread(sums.prediction_UG, sums.label_UG, sums.rows_UG, sums.kind)
