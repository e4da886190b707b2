"""Scores of predicted distributions: CRPS of a head's CDF, and EGMN's histogram divergence.

Source: docs/methods/metrics.md#point-errors.

Shapes: B rows, K nodes.
"""

import numpy as np

from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import Array, finite, finite_rows
from tasks.evaluate.metrics.point import row_ratio
from tasks.evaluate.metrics.result import MetricResult
from tasks.evaluate.metrics.user_statistics import UserSums

EPSILON = 1e-10


def crps(label_B: Array, node_K: Array, cdf_BK: Array, users: Groups | None = None) -> UserSums:
    """Returns the mean of the integral of (P(Y <= t) - 1[y <= t])^2 dt, s; MAE for a point prediction.

    The CDF is read as a step function: 0 before the first node, cdf[k] on [node_k, node_k+1), 1 from the last node
    on. The integral over the steps is exact, also where the label lies between or outside the nodes.

    Args:
        label_B: [B] watch time, s.
        node_K: [K] strictly increasing nodes, s.
        cdf_BK: [B, K] P(Y <= node), non-decreasing in K, in [0, 1].
        users: Group of each row.

    Raises:
        ValueError: If nodes or CDF values are out of order, not finite or of the wrong shape.
    """
    label_B = finite("label", label_B)
    node_K = finite("node", node_K)
    cdf_BK = np.asarray(cdf_BK, dtype=np.float64)
    if cdf_BK.shape != (label_B.size, node_K.size) or node_K.size == 0:
        raise ValueError(f"cdf has shape {cdf_BK.shape}, needed is ({label_B.size}, {node_K.size}) with a node or more")
    if not (np.diff(node_K) > 0).all():
        raise ValueError("nodes are not strictly increasing")
    bad_B = ~((cdf_BK >= 0) & (cdf_BK <= 1)).all(axis=1) | (np.diff(cdf_BK, axis=1) < 0).any(axis=1)
    if bad_B.any():
        raise ValueError(
            f"cdf: {bad_B.sum()} rows are no distribution, first at rows {np.flatnonzero(bad_B)[:5].tolist()}"
        )
    # Each step of the CDF is cut at the label: before it the indicator is 0 and the error F, behind it 1 and 1 - F.
    split_BK = np.clip(label_B[:, None], node_K[:-1], node_K[1:])
    step_BK = cdf_BK[:, :-1]
    inside_B = (step_BK**2 * (split_BK - node_K[:-1]) + (1 - step_BK) ** 2 * (node_K[1:] - split_BK)).sum(axis=1)
    # Outside the nodes the CDF is 0 or 1, so the squared error is 1 on the whole stretch to the label.
    outside_B = np.maximum(node_K[0] - label_B, 0) + np.maximum(label_B - node_K[-1], 0)
    return row_ratio(inside_B + outside_B, np.ones(label_B.size), users)


def kl_histogram(label_B: Array, prediction_B: Array, bins: int | Array = 100) -> MetricResult:
    """Returns sum P ln((P + 1e-10) / (Q + 1e-10)) of the label's and the prediction's histograms (EGMN).

    Q is relative to the predictions inside the label edges. One empty predicted bin dominates the value, so their
    number comes with it. EGMN's code raises small bins to 1e-10 instead of adding it.

    Args:
        label_B: [B] watch time, s.
        prediction_B: [B] predicted watch time, s.
        bins: Number of equal-width bins between the smallest and the largest label, or the edges.

    Returns:
        The divergence; `num_groups` counts the bins, `num_dropped` those with labels but no predictions. NaN where
        no label, or no prediction inside the edges, exists.

    Raises:
        ValueError: If a value is not finite or the lengths differ.
    """
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    if not label_B.size:
        return MetricResult(float("nan"), 0, 0)
    label_G, edges = np.histogram(label_B, bins=bins)
    prediction_G, _ = np.histogram(prediction_B, bins=edges)
    empty = int(((label_G > 0) & (prediction_G == 0)).sum())
    reason = "bins with labels but no predictions: they are in the value, and dominate it" if empty else ""
    if not label_G.sum() or not prediction_G.sum():
        return MetricResult(float("nan"), label_B.size, 0, empty, reason)
    p_G, q_G = label_G / label_G.sum(), prediction_G / prediction_G.sum()
    value = float((p_G * np.log((p_G + EPSILON) / (q_G + EPSILON))).sum())
    return MetricResult(value, label_B.size, label_G.size, empty, reason)
