"""User bootstrap of many additive metrics at once, at a cost that does not grow with the number of users.

Users beyond `MAX_UNITS` are gathered at random into that many bags of whole users. Users are independent, so bags are
too: the resampled variance stays that of users. The totals of all metrics are one matrix product. Its operands are
rounded to multiples of a power of two so small that every partial sum is exact: the result then depends neither on
the order of summation nor on the number of threads.

Shapes: U users, V units (users or bags), R replicates, C columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.estimate import Draw
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.evaluate.metrics.uncertainty import Statistic, user_bootstrap_weights
from tasks.evaluate.metrics.user_statistics import UserBinSums, UserInfluence, UserSums

MAX_UNITS = 1 << 14
REPLICATES_PER_BLOCK = 64
EXACT_BITS = 52


@dataclass(frozen=True, eq=False)
class Resampler:
    """The bootstrap weights of one table's users, shared by every metric and by both sides of a comparison.

    Attributes:
        num_users: U.
        replicates: R.
        seed: of the bags and of the weights.
        max_units: V at most.
    """

    num_users: int
    replicates: int
    seed: int
    max_units: int = MAX_UNITS

    @cached_property
    def unit_of_user(self) -> IntArray:
        """[U] unit of each user: itself, or a random bag of equal size."""
        if self.num_users <= self.max_units:
            return np.arange(self.num_users)
        return np.random.default_rng([self.seed, 1]).permutation(self.num_users) % self.max_units

    @property
    def num_units(self) -> int:
        """V."""
        return min(self.num_users, self.max_units)

    def units(self, users: Groups) -> Groups:
        """Return the unit of every row; metrics that only sum rows take it instead of the users."""
        return Groups(self.unit_of_user[users.code_B], self.num_units)

    def draw(self, statistics: Mapping[str, Statistic]) -> dict[str, Draw]:
        """Return every metric with its replicates (additive ones) or influences (pooled pair metrics).

        Args:
            statistics: what metric functions returned, over users or over units.
        """
        reduced = {name: self._over_units(statistic) for name, statistic in statistics.items()}
        columns = {name: _columns(item) for name, item in reduced.items() if not isinstance(item, UserInfluence)}
        sampled: dict[str, FloatArray] = {}
        if columns:
            total_RC = exact_totals(self._weights, np.concatenate(list(columns.values()), axis=1))
            ends = np.cumsum([block.shape[1] for block in columns.values()])
            for name, part_RC in zip(columns, np.split(total_RC, ends[:-1], axis=1), strict=True):
                sampled[name] = _from_totals(reduced[name], part_RC)
        return {name: _drawn(statistic, sampled.get(name)) for name, statistic in statistics.items()}

    @cached_property
    def _weights(self) -> NDArray[np.int16]:
        return user_bootstrap_weights(self.num_units, self.replicates, seed=self.seed)

    def _over_units(self, statistic: Statistic) -> Statistic:
        if isinstance(statistic, UserInfluence) or statistic.num_users == self.num_units:
            return statistic
        groups = Groups(self.unit_of_user, self.num_units)
        return _with_columns(statistic, np.stack([groups.sum(column) for column in _columns(statistic).T], axis=1))


def exact_totals(weights_RV: NDArray[np.int16], columns_VC: FloatArray) -> FloatArray:
    """Return the [R, C] column totals of each resample, equal to the bit on any number of threads.

    Columns are rounded to multiples of 2^-52 of the largest total their resamples could reach.

    Args:
        weights_RV: [R, V] non-negative integers.
        columns_VC: [V, C] per-unit sums.
    """
    reach_C = np.abs(columns_VC).sum(axis=0) * max(int(weights_RV.max()), 1)
    exponent_C = np.frexp(reach_C)[1]
    integer_VC = np.rint(np.ldexp(columns_VC, EXACT_BITS - exponent_C))
    total_RC = np.empty((weights_RV.shape[0], columns_VC.shape[1]))
    for start in range(0, weights_RV.shape[0], REPLICATES_PER_BLOCK):
        block = slice(start, start + REPLICATES_PER_BLOCK)
        total_RC[block] = weights_RV[block].astype(np.float64) @ integer_VC
    scaled: FloatArray = np.ldexp(total_RC, exponent_C - EXACT_BITS)
    return scaled


def _columns(statistic: UserSums | UserBinSums) -> FloatArray:
    if isinstance(statistic, UserSums):
        return np.stack([statistic.numerator_U, statistic.denominator_U], axis=1)
    return np.concatenate([statistic.prediction_UG, statistic.label_UG, statistic.rows_UG], axis=1, dtype=np.float64)


def _from_totals(statistic: Statistic, total_RC: FloatArray) -> FloatArray:
    """Return the metric of every replicate: block by block, each replicate's totals stand as one user drawn once."""
    assert not isinstance(statistic, UserInfluence)
    found = []
    for start in range(0, len(total_RC), REPLICATES_PER_BLOCK):
        totals = total_RC[start : start + REPLICATES_PER_BLOCK]
        found.append(_with_columns(statistic, totals).replicates(np.eye(len(totals), dtype=np.int16)))
    return np.concatenate(found)


def _with_columns(statistic: UserSums | UserBinSums, columns: FloatArray) -> UserSums | UserBinSums:
    """Return the statistic with other sums in the place of its own, laid out as `_columns` does."""
    if isinstance(statistic, UserSums):
        return replace(statistic, numerator_U=columns[:, 0], denominator_U=columns[:, 1])
    prediction, label, rows = np.split(columns, 3, axis=1)
    return replace(statistic, prediction_UG=prediction, label_UG=label, rows_UG=np.rint(rows).astype(np.int64))


def _drawn(statistic: Statistic, replicate_R: FloatArray | None) -> Draw:
    result = statistic.result()
    psi_U = statistic.psi_U if isinstance(statistic, UserInfluence) else None
    return Draw(result, replicate_R, psi_U)
