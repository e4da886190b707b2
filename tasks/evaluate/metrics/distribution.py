"""EGMN's divergence of the histograms of label and prediction.

Source: docs/methods/metrics.md#point-errors.

Shapes: B rows.
"""

import numpy as np

from tasks.evaluate.metrics.inputs import Array, finite_rows
from tasks.evaluate.metrics.result import MetricResult

EPSILON = 1e-10


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
