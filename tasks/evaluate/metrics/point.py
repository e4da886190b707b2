"""Point errors of a predicted watch time against the unrounded label (docs/methods/metrics.md#point-errors).

Labels and predictions are in seconds, predictions already clipped to [0, duration]. `users` groups the rows for the
bootstrap; without it all rows form one group.

Shapes: B rows, U users.
"""

from typing import Literal

import numpy as np

from tasks.evaluate.metrics.groups import Groups, one_group
from tasks.evaluate.metrics.inputs import Array, FloatArray, finite_rows
from tasks.evaluate.metrics.ratio import ratio
from tasks.evaluate.metrics.user_statistics import UserSums


def mae(label_B: Array, prediction_B: Array, users: Groups | None = None) -> UserSums:
    """Returns the mean absolute error, s. Use the median decode.

    Args:
        label_B: [B] watch time, s.
        prediction_B: [B] predicted watch time, s.
        users: Group of each row.

    Raises:
        ValueError: If a value is not finite or the lengths differ (as in every metric of this file).
    """
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    return row_ratio(np.abs(label_B - prediction_B), np.ones(label_B.size), users)


def rmse(label_B: Array, prediction_B: Array, users: Groups | None = None) -> UserSums:
    """Returns the root mean squared error, s. Use the mean decode."""
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    return row_ratio(np.square(label_B - prediction_B), np.ones(label_B.size), users, "sqrt")


def nmae(label_B: Array, prediction_B: Array, users: Groups | None = None) -> UserSums:
    """Returns MAE over the mean label."""
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    return row_ratio(np.abs(label_B - prediction_B), label_B, users)


def nrmse(label_B: Array, prediction_B: Array, users: Groups | None = None) -> UserSums:
    """Returns RMSE over the population s.d. of the label; resamples keep the mean label of all rows."""
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    centre = label_B.mean() if label_B.size else 0.0
    return row_ratio(np.square(label_B - prediction_B), np.square(label_B - centre), users, "sqrt")


def tre(label_B: Array, prediction_B: Array, users: Groups | None = None) -> UserSums:
    """Returns the total relative error abs(sum(p - y) / sum p) (TranSUN; divided by the *prediction*)."""
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    return row_ratio(prediction_B - label_B, prediction_B, users, "abs")


def tre_signed(label_B: Array, prediction_B: Array, users: Groups | None = None) -> UserSums:
    """Returns sum(p - y) / sum p: positive where the model promises too much."""
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    return row_ratio(prediction_B - label_B, prediction_B, users)


def mre(label_B: Array, prediction_B: Array, users: Groups | None = None) -> UserSums:
    """Returns the mean relative error abs(mean((p - y) / p)) (TranSUN); `num_dropped` counts rows with p = 0, which `num_rows` has too."""
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    used_B = prediction_B != 0
    error_B = ratio(prediction_B - label_B, prediction_B, undefined=0.0)
    users = users or one_group(label_B.size)
    rows_U = users.sum(used_B)
    num_dropped = int((~used_B).sum())
    return UserSums(
        numerator_U=users.sum(error_B),
        denominator_U=rows_U,
        num_rows=label_B.size,
        num_groups=int((rows_U > 0).sum()),
        num_dropped=num_dropped,
        dropped_reason="rows with prediction 0" if num_dropped else "",
        transform="abs",
    )


def pinball(label_B: Array, quantile_B: Array, tau: float, users: Groups | None = None) -> UserSums:
    """Returns the mean quantile loss max(tau (y - q), (tau - 1)(y - q)), s.

    Args:
        label_B: [B] watch time, s.
        quantile_B: [B] predicted tau-quantile, s.
        tau: Quantile level, in (0, 1).
        users: Group of each row.

    Raises:
        ValueError: If tau is out of range.
    """
    if not 0 < tau < 1:
        raise ValueError(f"tau is {tau}, allowed is (0, 1)")
    label_B, quantile_B = finite_rows(label=label_B, quantile=quantile_B)
    error_B = label_B - quantile_B
    return row_ratio(np.maximum(tau * error_B, (tau - 1) * error_B), np.ones(label_B.size), users)


def row_ratio(
    numerator_B: FloatArray,
    denominator_B: FloatArray,
    users: Groups | None,
    transform: Literal["identity", "sqrt", "abs"] = "identity",
) -> UserSums:
    """Returns the per-user sums of a metric that uses every row.

    Args:
        numerator_B: [B] row contributions to the numerator.
        denominator_B: [B] row contributions to the denominator.
        users: Group of each row; None pools them.
        transform: As in `UserSums`.
    """
    users = users or one_group(numerator_B.size)
    return UserSums(
        numerator_U=users.sum(numerator_B),
        denominator_U=users.sum(denominator_B),
        num_rows=numerator_B.size,
        num_groups=int((users.rows() > 0).sum()),
        transform=transform,
    )
