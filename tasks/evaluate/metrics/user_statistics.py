"""Per-user sufficient statistics: what is kept of a table so that resampling users costs one matrix product.

Shapes: U users, G bins, R bootstrap replicates.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import Array, FloatArray, IntArray
from tasks.evaluate.metrics.ratio import ratio
from tasks.evaluate.metrics.result import MetricResult

REPLICATES_PER_BLOCK = 64


def weighted_totals(weights_RU: Array, columns_UC: FloatArray) -> FloatArray:
    """Returns the [R, C] column totals of each resample.

    Not a BLAS product: its sums may depend on the number of threads, and artefacts must not.

    Args:
        weights_RU: [R, U] how often each user was drawn.
        columns_UC: [U, C] per-user sums.

    Raises:
        ValueError: If the weights are for another number of users.
    """
    if weights_RU.ndim != 2 or weights_RU.shape[1] != columns_UC.shape[0]:
        raise ValueError(f"weights of shape {weights_RU.shape} do not fit {columns_UC.shape[0]} users")
    total_RC = np.empty((weights_RU.shape[0], columns_UC.shape[1]))
    for start in range(0, weights_RU.shape[0], REPLICATES_PER_BLOCK):
        block = slice(start, start + REPLICATES_PER_BLOCK)
        total_RC[block] = np.einsum("ru,uc->rc", weights_RU[block].astype(np.float64), columns_UC)
    return total_RC


@dataclass(frozen=True, eq=False)
class UserSums:
    """A metric of the form transform(sum_u numerator / sum_u denominator).

    Attributes:
        numerator_U: [U] per-user numerators.
        denominator_U: [U] per-user denominators; 0 for users that do not count.
        num_rows: Rows used.
        num_groups: Users used.
        num_dropped: Users left out, or rows where the reason says so.
        dropped_reason: Why.
        transform: `sqrt` for root mean squares, `abs` for unsigned errors.
    """

    numerator_U: FloatArray
    denominator_U: FloatArray
    num_rows: int
    num_groups: int
    num_dropped: int = 0
    dropped_reason: str = ""
    transform: Literal["identity", "sqrt", "abs"] = "identity"

    @property
    def num_users(self) -> int:
        """U, with users that do not count."""
        return self.numerator_U.size

    @property
    def value(self) -> float:
        """The metric over all users; NaN where the denominator is 0."""
        return float(self._transformed(self.numerator_U.sum(keepdims=True), self.denominator_U.sum(keepdims=True))[0])

    def of_users(self, users: Groups) -> "UserSums":
        """Returns sums over the groups of `user_days` as sums over users, the unit of resampling; the value stays.

        Args:
            users: Those the groups are days of.
        """
        numerator_U, denominator_U = (
            sums.reshape(users.num_groups, -1).sum(axis=1) for sums in (self.numerator_U, self.denominator_U)
        )
        return replace(self, numerator_U=numerator_U, denominator_U=denominator_U)

    def result(self) -> MetricResult:
        """Returns the value with its counts, without an interval."""
        return MetricResult(self.value, self.num_rows, self.num_groups, self.num_dropped, self.dropped_reason)

    def replicates(self, weights_RU: Array) -> FloatArray:
        """Returns the metric's [R] values under user weights [R, U]; NaN where a resample leaves it undefined."""
        total_RC = weighted_totals(weights_RU, np.stack([self.numerator_U, self.denominator_U], axis=1))
        return self._transformed(total_RC[:, 0], total_RC[:, 1])

    def _transformed(self, numerator: FloatArray, denominator: FloatArray) -> FloatArray:
        quotient = ratio(numerator, denominator)
        if self.transform == "identity":
            return quotient
        transformed: FloatArray = np.sqrt(quotient) if self.transform == "sqrt" else np.abs(quotient)
        return transformed


@dataclass(frozen=True, eq=False)
class UserBinSums:
    """A calibration error over bins, from per-user sums in each bin.

    Attributes:
        prediction_UG: [U, G] sums of the prediction.
        label_UG: [U, G] sums of the label.
        rows_UG: [U, G] row counts.
        kind: `relative` = row-weighted mean of abs(sum p - sum y)/sum y, `difference` = of abs(mean p - mean y),
            `max_relative` = largest abs(sum p - sum y)/sum y. Bins whose labels sum to 0 have no relative error and
            are left out of the two relative kinds.
    """

    prediction_UG: FloatArray
    label_UG: FloatArray
    rows_UG: IntArray
    kind: Literal["relative", "difference", "max_relative"]

    @property
    def num_users(self) -> int:
        """U, with users without rows."""
        return len(self.rows_UG)

    @property
    def value(self) -> float:
        """The calibration error over all users; NaN where no bin has one."""
        return float(self._error(*(sums.sum(axis=0, keepdims=True) for sums in self._columns()))[0])

    def result(self) -> MetricResult:
        """Returns the value with the numbers of rows and bins used, without an interval."""
        rows_G = self.rows_UG.sum(axis=0)
        filled_G = rows_G > 0
        used_G = filled_G if self.kind == "difference" else filled_G & (self.label_UG.sum(axis=0) != 0)
        num_dropped = int((filled_G & ~used_G).sum())
        reason = "bins whose labels sum to 0" if num_dropped else ""
        return MetricResult(self.value, int(rows_G[used_G].sum()), int(used_G.sum()), num_dropped, reason)

    def replicates(self, weights_RU: Array) -> FloatArray:
        """Returns the metric's [R] values under user weights [R, U]; the bins stay fixed."""
        return self._error(*(weighted_totals(weights_RU, sums) for sums in self._columns()))

    def _columns(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return self.prediction_UG, self.label_UG, self.rows_UG.astype(np.float64)

    def _error(self, prediction_RG: FloatArray, label_RG: FloatArray, rows_RG: FloatArray) -> FloatArray:
        divisor_RG = rows_RG if self.kind == "difference" else label_RG
        gap_RG = np.abs(ratio(prediction_RG - label_RG, divisor_RG, undefined=0.0))
        used_RG = rows_RG * (divisor_RG != 0)
        if self.kind == "max_relative":
            return np.where(used_RG.any(axis=1), gap_RG.max(axis=1, initial=0.0), np.nan)
        return ratio((gap_RG * used_RG).sum(axis=1), used_RG.sum(axis=1))


@dataclass(frozen=True, eq=False)
class UserInfluence:
    """A pooled pair metric with each user's first-order influence on it (docs/methods/metrics.md#uncertainty).

    Attributes:
        value: The metric.
        psi_U: [U] influences, summing to 0; 0 for users without rows.
        num_rows: Rows used.
        num_groups: Users with rows.
    """

    value: float
    psi_U: FloatArray
    num_rows: int
    num_groups: int

    @property
    def num_users(self) -> int:
        """U, with users without rows."""
        return self.psi_U.size

    def result(self) -> MetricResult:
        """Returns the value with its counts, without an interval."""
        return MetricResult(self.value, self.num_rows, self.num_groups)
