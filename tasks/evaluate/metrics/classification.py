"""Metrics of the binary tasks: AUC, GAUC, logloss, calibration ratio (docs/methods/metrics.md#classification).

Shapes: B rows, U users.
"""

from typing import Literal

import numpy as np

from tasks.evaluate.metrics.concordance import row_concordance
from tasks.evaluate.metrics.grouped import weighted_groups
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import Array, binary, finite_rows
from tasks.evaluate.metrics.partitioned import pooled_influence
from tasks.evaluate.metrics.point import row_ratio
from tasks.evaluate.metrics.result import MetricResult
from tasks.evaluate.metrics.user_statistics import UserInfluence, UserSums

CLIP = 1e-7


def auc(label_B: Array, prediction_B: Array) -> MetricResult:
    """Returns the pooled AUC, prediction ties 1/2; NaN where only one class occurs.

    Args:
        label_B: [B] 0/1 labels.
        prediction_B: [B] scores.

    Raises:
        ValueError: If a label is not binary, a score not finite or the lengths differ (as in every metric here).
    """
    label_B, prediction_B = finite_rows(label=binary("label", label_B), prediction=prediction_B)
    num_positives = int(label_B.sum())
    pairs = num_positives * (label_B.size - num_positives)
    if not pairs:
        return MetricResult(float("nan"), label_B.size, 0)
    from scipy.stats import rankdata  # a second to load: for whoever ranks, not for every reader

    rank_sum = float(rankdata(prediction_B)[label_B == 1].sum())
    return MetricResult((rank_sum - num_positives * (num_positives + 1) / 2) / pairs, label_B.size, 1)


def auc_influence(label_B: Array, prediction_B: Array, users: Groups) -> UserInfluence:
    """Returns AUC with each user's influence on it, for its standard error and paired comparisons.

    Args:
        label_B: [B] 0/1 labels.
        prediction_B: [B] scores.
        users: Group of each row.
    """
    label_B, prediction_B = finite_rows(label=binary("label", label_B), prediction=prediction_B)
    return pooled_influence(label_B.astype(np.int64), prediction_B, users)


def gauc(
    label_B: Array, prediction_B: Array, users: Groups, weight: Literal["rows", "positives", "equal"] = "rows"
) -> UserSums:
    """Returns the weighted mean of AUC over users with both classes.

    Args:
        label_B: [B] 0/1 labels.
        prediction_B: [B] scores.
        users: Group of each row.
        weight: `rows` is the default metric, `positives` is `gauc_pos` (D2Co, CWM), `equal` is `gauc_mean` (SINE,
            there over users with more than 2 candidates).

    Raises:
        ValueError: If the weight is unknown.
    """
    label_B, prediction_B = finite_rows(label=binary("label", label_B), prediction=prediction_B)
    rows = row_concordance(label_B.astype(np.int64), prediction_B, users)
    concordant_U, comparable_U = users.sum(rows.concordant_B) / 2, users.sum(rows.comparable_B) / 2
    weights_U = {
        "rows": users.rows().astype(np.float64),
        "positives": users.sum(label_B),
        "equal": np.ones(users.num_groups),
    }
    if weight not in weights_U:
        raise ValueError(f"weight is {weight!r}, allowed are {sorted(weights_U)}")
    return weighted_groups(concordant_U, comparable_U, weights_U[weight], users, "users without both classes")


def logloss(label_B: Array, probability_B: Array, users: Groups | None = None) -> UserSums:
    """Returns the mean negative log-likelihood with probabilities clipped to [1e-7, 1 - 1e-7].

    Args:
        label_B: [B] 0/1 labels.
        probability_B: [B] predicted probabilities.
        users: Group of each row.

    Raises:
        ValueError: If a probability is outside [0, 1].
    """
    label_B, probability_B = finite_rows(label=binary("label", label_B), probability=probability_B)
    outside = np.flatnonzero((probability_B < 0) | (probability_B > 1))
    if outside.size:
        raise ValueError(f"probability: {outside.size} values outside [0, 1], first at rows {outside[:5].tolist()}")
    clipped_B = np.clip(probability_B, CLIP, 1 - CLIP)
    loss_B = -np.where(label_B == 1, np.log(clipped_B), np.log1p(-clipped_B))
    return row_ratio(loss_B, np.ones(label_B.size), users)


def calibration_ratio(label_B: Array, prediction_B: Array, users: Groups | None = None) -> UserSums:
    """Returns sum p / sum label of a task: 1 is calibrated in total, NaN where the labels sum to 0."""
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    return row_ratio(prediction_B, label_B, users)
