"""Pooled pair accuracy (XAUC) over all pairs of rows, exact, with its published variants.

Source: docs/methods/metrics.md#pair-accuracy.

Shapes: B rows, U users.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import Array, FloatArray, IntArray, finite_rows
from tasks.evaluate.metrics.partitioned import pooled_influence
from tasks.evaluate.metrics.result import MetricResult
from tasks.evaluate.metrics.user_statistics import UserInfluence

LabelUnit = Literal["s", "ms"]


@dataclass(frozen=True)
class PairCounts:
    """How the n(n-1)/2 unordered pairs of rows fall.

    Attributes:
        num_rows: n.
        concordant: Label and prediction order the pair alike.
        discordant: They order it differently.
        tied_label: Tied in the label only.
        tied_prediction: Tied in the prediction only.
        tied_both: Tied in both.
    """

    num_rows: int
    concordant: int
    discordant: int
    tied_label: int
    tied_prediction: int
    tied_both: int

    @property
    def pairs(self) -> int:
        """All unordered pairs."""
        return self.num_rows * (self.num_rows - 1) // 2

    @property
    def comparable(self) -> int:
        """Pairs with different labels."""
        return self.concordant + self.discordant + self.tied_prediction


def pair_label(label_B: Array, label_unit: LabelUnit = "s") -> IntArray:
    """Returns the integer labels that pair metrics compare: round-half-even of seconds or milliseconds.

    Args:
        label_B: [B] watch time, s.
        label_unit: `s` is comparable with published numbers, `ms` has fewer ties.

    Raises:
        ValueError: If the unit is unknown.
    """
    if label_unit not in ("s", "ms"):
        raise ValueError(f"label_unit is {label_unit!r}, allowed are 's' and 'ms'")
    rounded_B: FloatArray = np.rint(np.asarray(label_B) * (1000 if label_unit == "ms" else 1))
    return rounded_B.astype(np.int64)


def pair_counts(label_B: Array, prediction_B: Array) -> PairCounts:
    """Returns exact counts of all pairs in O(n log n), from scipy's tau-b and the tie counts.

    Concordant minus discordant is recovered from the float tau-b by rounding, exact up to about 1e7 rows.

    Args:
        label_B: [B] labels, compared as they are.
        prediction_B: [B] scores.

    Raises:
        ValueError: If a value is not finite or the lengths differ.
    """
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    num_rows = label_B.size
    pairs = num_rows * (num_rows - 1) // 2
    _, label_code_B, label_count = np.unique(label_B, return_inverse=True, return_counts=True)
    _, prediction_code_B, prediction_count = np.unique(prediction_B, return_inverse=True, return_counts=True)
    tied_label, tied_prediction, tied_both = _tied_pairs(label_count), _tied_pairs(prediction_count), 0
    if tied_label and tied_prediction:
        _, both_count = np.unique(label_code_B * prediction_count.size + prediction_code_B, return_counts=True)
        tied_both = _tied_pairs(both_count)
    balance = 0
    if tied_label < pairs and tied_prediction < pairs:
        from scipy.stats import kendalltau  # a second to load: for whoever counts pairs, not for every reader

        # Not method="asymptotic": its unused p-value divides by zero for two rows.
        tau = kendalltau(label_code_B, prediction_code_B, variant="b", method="auto").statistic
        balance = round(tau * np.sqrt(pairs - tied_label) * np.sqrt(pairs - tied_prediction))
    decided = pairs - tied_label - tied_prediction + tied_both
    concordant = (decided + balance) // 2
    return PairCounts(
        num_rows=num_rows,
        concordant=concordant,
        discordant=decided - concordant,
        tied_label=tied_label - tied_both,
        tied_prediction=tied_prediction - tied_both,
        tied_both=tied_both,
    )


def xauc(label_B: Array, prediction_B: Array, label_unit: LabelUnit = "s") -> MetricResult:
    """Returns the project's XAUC: (C + T_p/2) over pairs with different labels = (1 + Somers' D of p given y) / 2.

    Args:
        label_B: [B] watch time, s.
        prediction_B: [B] scores.
        label_unit: As in `pair_label`.

    Returns:
        The value; NaN without a comparable pair, .5 for a constant prediction.

    Raises:
        ValueError: If a value is not finite or the lengths differ (as in every metric of this file).
    """
    counts = _rounded_counts(label_B, prediction_B, label_unit)
    return _result(counts.concordant + counts.tied_prediction / 2, counts.comparable, counts.num_rows)


def xauc_strict(label_B: Array, prediction_B: Array, label_unit: LabelUnit = "s") -> MetricResult:
    """Returns concordant over all pairs (DADF, TorchEasyRec): ties of either kind count as wrong."""
    counts = _rounded_counts(label_B, prediction_B, label_unit)
    return _result(counts.concordant, counts.pairs, counts.num_rows)


def xauc_cwm(label_B: Array, prediction_B: Array, label_unit: LabelUnit = "s") -> MetricResult:
    """Returns the share of all pairs, in stable descending-prediction order, with first label >= second (CWM).

    Label ties count as correct and prediction ties follow the input order: only to compare with published numbers.
    """
    counts = _rounded_counts(label_B, input_order_score(prediction_B), label_unit)
    return _result(counts.concordant + counts.tied_label, counts.pairs, counts.num_rows)


def xauc_sortgt(label_B: Array, prediction_B: Array, label_unit: LabelUnit = "s") -> MetricResult:
    """Returns the share of all pairs, in stable descending-prediction order, with first label > second (DIFL, GR)."""
    counts = _rounded_counts(label_B, input_order_score(prediction_B), label_unit)
    return _result(counts.concordant, counts.pairs, counts.num_rows)


def xauc_influence(label_B: Array, prediction_B: Array, users: Groups, label_unit: LabelUnit = "s") -> UserInfluence:
    """Returns XAUC with each user's influence on it, for its standard error and paired comparisons.

    Args:
        label_B: [B] watch time, s.
        prediction_B: [B] scores.
        users: Group of each row.
        label_unit: As in `pair_label`.
    """
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    return pooled_influence(pair_label(label_B, label_unit), prediction_B, users)


def input_order_score(prediction_B: Array) -> FloatArray:
    """Returns scores without ties that sort as a stable descending sort of the predictions does.

    Args:
        prediction_B: [B] scores.
    """
    (prediction_B,) = finite_rows(prediction=prediction_B)
    score_B = np.empty(prediction_B.size)
    score_B[np.argsort(-prediction_B, kind="stable")] = -np.arange(prediction_B.size, dtype=np.float64)
    return score_B


def _rounded_counts(label_B: Array, prediction_B: Array, label_unit: LabelUnit) -> PairCounts:
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    return pair_counts(pair_label(label_B, label_unit), prediction_B)


def _tied_pairs(count: IntArray) -> int:
    return int((count * (count - 1) // 2).sum())


def _share(numerator: float, denominator: int) -> float:
    return numerator / denominator if denominator else float("nan")


def _result(correct: float, pairs: int, num_rows: int) -> MetricResult:
    return MetricResult(_share(correct, pairs), num_rows, int(pairs > 0))
