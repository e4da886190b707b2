"""Calibration error by bins of duration or of the prediction itself (docs/methods/metrics.md#calibration-error).

A good TRE hides opposite errors of short and long videos; these do not.

Shapes: B rows, U users, G bins.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.evaluate.metrics.groups import Groups, one_group
from tasks.evaluate.metrics.inputs import Array, FloatArray, IntArray, binary, finite, finite_rows
from tasks.evaluate.metrics.ratio import ratio
from tasks.evaluate.metrics.user_statistics import UserBinSums


@dataclass(frozen=True, eq=False)
class BinCalibration:
    """The calibration table of a report.

    Attributes:
        rows_G: [G] row counts.
        relative_G: [G] (sum p - sum y) / sum y; NaN where the labels sum to 0.
        difference_G: [G] mean p - mean y, in the label's unit; NaN where the bin is empty.
    """

    rows_G: IntArray
    relative_G: FloatArray
    difference_G: FloatArray


def quantile_edges(value_B: Array, num_bins: int) -> FloatArray:
    """Returns increasing inner edges of equal-count bins; fewer where values tie.

    Args:
        value_B: [B] train values (durations), or the predictions themselves.
        num_bins: At least 1.

    Raises:
        ValueError: If values are missing or not finite, or no bin is asked for.
    """
    value_B = finite("value", value_B)
    if num_bins < 1 or not value_B.size:
        raise ValueError(f"need values and at least 1 bin, got {value_B.size} values and {num_bins} bins")
    return np.unique(np.quantile(value_B, np.arange(1, num_bins) / num_bins))


def assign_bins(value_B: Array, edges: FloatArray) -> Groups:
    """Returns the bin of each row, 0 to len(edges); equal values share one.

    Args:
        value_B: [B] values.
        edges: Inner edges.

    Raises:
        ValueError: If a value is not finite.
    """
    code_B = np.searchsorted(edges, finite("value", value_B), side="right")
    return Groups(code_B.astype(np.int64, copy=False), edges.size + 1)


def bin_calibration(label_B: Array, prediction_B: Array, bins: Groups) -> BinCalibration:
    """Returns the signed errors of each bin, for tables by duration decile, tab, new user, hour block.

    Args:
        label_B: [B] label.
        prediction_B: [B] prediction in the label's unit.
        bins: Bin of each row.

    Raises:
        ValueError: If a value is not finite or the lengths differ (as in every metric of this file).
    """
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    label_G, rows_G = bins.sum(label_B), bins.rows()
    gap_G = bins.sum(prediction_B) - label_G
    return BinCalibration(
        rows_G=rows_G,
        relative_G=ratio(gap_G, label_G),
        difference_G=ratio(gap_G, rows_G),
    )


def dce_rel(label_B: Array, prediction_B: Array, bins: Groups, users: Groups | None = None) -> UserBinSums:
    """Returns the row-weighted mean of the bins' abs((sum p - sum y) / sum y).

    Args:
        label_B: [B] watch time, s.
        prediction_B: [B] predicted mean watch time, s.
        bins: Duration decile of each row, from train edges.
        users: Group of each row for the bootstrap.
    """
    return _bin_sums(label_B, prediction_B, bins, users, "relative")


def dce_s(label_B: Array, prediction_B: Array, bins: Groups, users: Groups | None = None) -> UserBinSums:
    """Returns the row-weighted mean of the bins' abs(mean p - mean y), s."""
    return _bin_sums(label_B, prediction_B, bins, users, "difference")


def dce_max(label_B: Array, prediction_B: Array, bins: Groups, users: Groups | None = None) -> UserBinSums:
    """Returns the largest of the bins' abs((sum p - sum y) / sum y)."""
    return _bin_sums(label_B, prediction_B, bins, users, "max_relative")


def pce(label_B: Array, prediction_B: Array, users: Groups | None = None, num_bins: int = 10) -> UserBinSums:
    """Returns `dce_rel` over equal-count bins of the prediction, which resamples keep."""
    bins = assign_bins(prediction_B, quantile_edges(prediction_B, num_bins))
    return _bin_sums(label_B, prediction_B, bins, users, "relative")


def ece(label_B: Array, probability_B: Array, users: Groups | None = None, num_bins: int = 15) -> UserBinSums:
    """Returns the expected calibration error of a binary task over equal-count bins of the probability.

    Args:
        label_B: [B] 0/1 labels.
        probability_B: [B] predicted probabilities.
        users: Group of each row for the bootstrap.
        num_bins: Bins asked for; equal probabilities share one.

    Raises:
        ValueError: If a label is not binary.
    """
    bins = assign_bins(probability_B, quantile_edges(probability_B, num_bins))
    return _bin_sums(binary("label", label_B), probability_B, bins, users, "difference")


def _bin_sums(
    label_B: Array,
    prediction_B: Array,
    bins: Groups,
    users: Groups | None,
    kind: Literal["relative", "difference", "max_relative"],
) -> UserBinSums:
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    users = users or one_group(label_B.size)
    cells = Groups(users.code_B * bins.num_groups + bins.code_B, users.num_groups * bins.num_groups)
    shape = (users.num_groups, bins.num_groups)
    return UserBinSums(
        prediction_UG=cells.sum(prediction_B).reshape(shape),
        label_UG=cells.sum(label_B).reshape(shape),
        rows_UG=cells.rows().reshape(shape),
        kind=kind,
    )
