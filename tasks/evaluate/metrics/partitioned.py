"""XAUC of a table that does not fit in memory: exact, from one map pass and a small reduce.

Source: docs/methods/metrics.md#exact-pair-counts. Rows are partitioned by prediction so that equal predictions stay
together; each partition is summarised on its own.

Shapes: B rows, L label levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.evaluate.metrics.inputs import Array, FloatArray, IntArray, finite, finite_rows
from tasks.evaluate.metrics.pairwise import LabelUnit, pair_counts, pair_label
from tasks.evaluate.metrics.result import MetricResult


@dataclass(frozen=True, eq=False)
class PartitionSummary:
    """What the reduce needs of one prediction range.

    Attributes:
        label_rows_L: [L] rows per integer label, from label 0.
        concordant: Concordant pairs plus half the prediction ties inside the partition.
    """

    label_rows_L: IntArray
    concordant: float


def prediction_edges(sample_B: Array, num_partitions: int) -> FloatArray:
    """Returns increasing inner edges that split a sample of predictions into about equal parts.

    Args:
        sample_B: Predictions, any sample; only the balance depends on it, not the result.
        num_partitions: At least 1; fewer come out where predictions tie.

    Raises:
        ValueError: If the sample is empty or not finite, or no partition is asked for.
    """
    sample_B = finite("prediction sample", sample_B)
    if num_partitions < 1 or not sample_B.size:
        raise ValueError(f"need a sample and at least 1 partition, got {sample_B.size} rows and {num_partitions}")
    return np.unique(np.quantile(sample_B, np.arange(1, num_partitions) / num_partitions, method="nearest"))


def partition_of(prediction_B: Array, edges: FloatArray) -> IntArray:
    """Returns the partition of each row, 0 to len(edges); equal predictions share one.

    Args:
        prediction_B: [B] scores.
        edges: From `prediction_edges`.

    Raises:
        ValueError: If a prediction is not finite.
    """
    return np.searchsorted(edges, finite("prediction", prediction_B), side="right").astype(np.int64, copy=False)


def summarise_partition(label_B: Array, prediction_B: Array, label_unit: LabelUnit = "s") -> PartitionSummary:
    """Returns the summary of all rows of one partition, which may be empty.

    Args:
        label_B: [B] watch time, s, not negative.
        prediction_B: [B] scores.
        label_unit: As in `pair_label`.

    Raises:
        ValueError: If a value is not finite or a label negative.
    """
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    code_B = pair_label(label_B, label_unit)
    if code_B.size and code_B.min() < 0:
        raise ValueError(f"label {label_B.min()} is negative")
    counts = pair_counts(code_B, prediction_B)
    return PartitionSummary(np.bincount(code_B), counts.concordant + counts.tied_prediction / 2)


def combine_partitions(summaries: Sequence[PartitionSummary]) -> MetricResult:
    """Returns the same XAUC as `pairwise.xauc` on all rows.

    Args:
        summaries: One per partition, in ascending order of prediction.
    """
    num_levels = max((summary.label_rows_L.size for summary in summaries), default=0)
    lower_L = np.zeros(num_levels, dtype=np.int64)
    concordant = 0.0
    for summary in summaries:
        rows_L = np.pad(summary.label_rows_L, (0, num_levels - summary.label_rows_L.size))
        smaller_L = np.cumsum(lower_L) - lower_L
        concordant += summary.concordant + int(rows_L @ smaller_L)
        lower_L += rows_L
    num_rows = int(lower_L.sum())
    comparable = num_rows * (num_rows - 1) // 2 - int((lower_L * (lower_L - 1) // 2).sum())
    return MetricResult(concordant / comparable if comparable else float("nan"), num_rows, int(comparable > 0))
