"""One debiased estimate by every pair of learners, the pair least moved by another learner, and by how much it is moved.

Source: docs/methods/debias.md#every-pair-of-learners (arXiv 1907.11882). The pair is chosen by half of the users and read on
the other half, and the other way round, so that no outcome chooses the pair that it is averaged under.

Shapes: N rows, F columns, E propensity learners, M outcome learners.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.weights import effective_sample_size
from tasks.core.errors import ContractError
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.evaluate.metrics.point import row_ratio
from tasks.evaluate.metrics.user_statistics import UserSums
from tasks.evaluate.nuisance.config import NuisanceConfig
from tasks.evaluate.nuisance.learners import OUTCOMES, PROPENSITIES, Learner
from tasks.evaluate.policy_value.cross_fit import fold_of_rows
from tasks.evaluate.policy_value.tuning import sampling_error

HALVES = 2
Target = Literal["all", "unobserved"]
Pair = tuple[int, int]
"""Places of a propensity learner and an outcome learner."""


@dataclass(frozen=True, eq=False)
class PartlyObserved:
    """Rows of which some have an outcome.

    Attributes:
        input_NF: what propensity and outcome are learned from.
        observed_N: bool, which rows have an outcome.
        outcome_N: outcomes; what stands where there is none is not read.
        weight_N: how many rows each stands for.
        units: user of each row; they are independent.
        target: whose mean outcome is estimated, that of all rows or of those without an outcome.

    Raises:
        ContractError: if lengths differ, a value that is read is not finite, a weight is not positive, or one kind is missing.
    """

    input_NF: FloatArray
    observed_N: NDArray[np.bool_]
    outcome_N: FloatArray
    weight_N: FloatArray
    units: Groups
    target: Target = "all"

    def __post_init__(self) -> None:
        sizes = {name: len(getattr(self, name)) for name in ("input_NF", "observed_N", "outcome_N", "weight_N")}
        sizes |= {"units": self.units.code_B.size}
        if len(set(sizes.values())) != 1:
            raise ContractError(f"a debiased estimate needs one value per row, got {sizes}")
        if self.observed_N.all() or not self.observed_N.any():
            raise ContractError(
                f"a debiased estimate needs rows with and without an outcome, and of {len(self.observed_N)} rows "
                f"{int(self.observed_N.sum())} have one"
            )
        if not (np.isfinite(self.input_NF).all() and np.isfinite(self.outcome_N[self.observed_N]).all()):
            raise ContractError("a debiased estimate was given columns or outcomes that are not finite")
        if not (self.weight_N > 0).all():
            raise ContractError(f"rows of a debiased estimate stand for 0 rows or fewer, least {self.weight_N.min()}")


@dataclass(frozen=True, eq=False)
class Propensities:
    """How likely every row is to have an outcome, by learners that did not see its user.

    Attributes:
        propensity_EN: clipped below.
        clipped_E: share of the observed rows that were clipped.
    """

    propensity_EN: FloatArray
    clipped_E: FloatArray


@dataclass(frozen=True, eq=False)
class Gated:
    """An estimate by the chosen pairs.

    Attributes:
        sums: the estimate by user; `value` is the number.
        chosen: the pair read on each half of the users, chosen on the other.
        swing: most that the estimate moves if one kind of learner is another throughout.
        moved_by: that learner.
        bound: what it may move by.
        effective_rows: (sum w)^2 / sum w^2 of its inverse weights.
        value_EM: the estimate by every pair.
        error_EM: its standard error.
        risk_EM: pseudo-risk of every pair, on all users.
    """

    sums: UserSums
    chosen: tuple[Pair, ...]
    swing: float
    moved_by: str
    bound: float
    effective_rows: float
    value_EM: FloatArray
    error_EM: FloatArray
    risk_EM: FloatArray

    @property
    def standard_error(self) -> float:
        """Standard error of the estimate, clustered by user; it takes the fitted learners as given."""
        return sampling_error(self.sums)

    def refusal(self, minimum_effective_rows: float) -> str:
        """Say why the estimate does not count; empty where nothing speaks against it."""
        if self.effective_rows < minimum_effective_rows:
            return f"{self.effective_rows:.0f} effective rows are fewer than {minimum_effective_rows:g}"
        if self.swing > self.bound:
            return f"with {self.moved_by} it moves by {self.swing:.3g}, and may by {self.bound:.3g}"
        return ""


def fit_propensities(rows: PartlyObserved, config: NuisanceConfig, seed: int) -> Propensities:
    """Fit every learner of the propensity on all folds but one, and have it predict that one.

    Args:
        rows: the rows.
        config: learners, folds and clip.
        seed: of the folds and of the fits.

    Raises:
        ConfigError: if there are fewer users than folds.
    """
    observed_N = rows.observed_N.astype(np.float64)
    every = np.ones(observed_N.size, dtype=bool)
    found = [_cross_fitted(PROPENSITIES[name], rows, observed_N, every, config, seed) for name in config.propensities]
    propensity_EN = np.stack(found)
    clipped_E = (propensity_EN[:, rows.observed_N] < config.clip).mean(axis=1)
    return Propensities(np.clip(propensity_EN, config.clip, 1.0), clipped_E)


def fit_outcomes(rows: PartlyObserved, config: NuisanceConfig, seed: int) -> FloatArray:
    """Return the expected outcome of every row, [M, N], by every learner fitted on the observed rows of the other folds.

    Args:
        rows: the rows.
        config: learners and folds.
        seed: of the folds and of the fits.

    Raises:
        ConfigError: if there are fewer users than folds.
    """
    found = [
        _cross_fitted(OUTCOMES[name], rows, rows.outcome_N, rows.observed_N, config, seed) for name in config.outcomes
    ]
    return np.stack(found)


def gated(
    rows: PartlyObserved, propensities: Propensities, expected_MN: FloatArray, config: NuisanceConfig, seed: int
) -> Gated:
    """Estimate by every pair, choose, and measure by how much the choice matters.

    Args:
        rows: the rows.
        propensities: from `fit_propensities`.
        expected_MN: from `fit_outcomes`.
        config: names of the learners, and what they may move.
        seed: of the halves of users.
    """
    corrected_EMN = np.stack(
        [
            [_corrected(rows, propensity_N, expected_N) for expected_N in expected_MN]
            for propensity_N in propensities.propensity_EN
        ]
    )
    stands_N = _stands_for(rows)
    half_N = fold_of_rows(rows.units, HALVES, seed)
    chosen = []
    for half in range(HALVES):
        elsewhere = half_N != half
        value_EM = corrected_EMN[:, :, elsewhere].sum(axis=2) / stands_N[elsewhere].sum()
        chosen.append(_least(pseudo_risk(value_EM)))
    sums = row_ratio(_read(corrected_EMN, chosen, half_N), stands_N, rows.units)
    swing, moved_by = _swing(corrected_EMN, chosen, half_N, float(stands_N.sum()), sums.value, config)
    error = sampling_error(sums)
    every = [
        [row_ratio(corrected_N, stands_N, rows.units) for corrected_N in of_learner] for of_learner in corrected_EMN
    ]
    value_EM = np.array([[found.value for found in of_learner] for of_learner in every])
    inverse_EN = np.stack([_inverse(rows, propensity_N) for propensity_N in propensities.propensity_EN])
    inverse_N = np.take_along_axis(inverse_EN, np.array([e for e, _ in chosen])[half_N][None], axis=0)[0]
    return Gated(
        sums,
        tuple(chosen),
        swing,
        moved_by,
        max(config.tolerated_errors * error, config.tolerated_share * abs(sums.value)),
        effective_sample_size(inverse_N[rows.observed_N]),
        value_EM,
        np.array([[sampling_error(found) for found in of_learner] for of_learner in every]),
        pseudo_risk(value_EM),
    )


def pseudo_risk(value_EM: FloatArray) -> FloatArray:
    """Return how far every estimate is moved by exchanging one of its two learners, the worst exchange, [E, M]."""
    by_propensity_EM = np.abs(value_EM[:, None, :] - value_EM[None, :, :]).max(axis=1)
    by_outcome_EM = np.abs(value_EM[:, :, None] - value_EM[:, None, :]).max(axis=2)
    worst_EM: FloatArray = np.maximum(by_propensity_EM, by_outcome_EM)
    return worst_EM


def _cross_fitted(
    learner: Learner,
    rows: PartlyObserved,
    target_N: FloatArray,
    taught_N: NDArray[np.bool_],
    config: NuisanceConfig,
    seed: int,
) -> FloatArray:
    fold_N = fold_of_rows(rows.units, config.folds, seed)
    found_N = np.empty(target_N.size)
    for fold in range(config.folds):
        rest, here = np.flatnonzero(taught_N & (fold_N != fold)), np.flatnonzero(fold_N == fold)
        predict = learner(rows.input_NF[rest], target_N[rest], rows.weight_N[rest], seed + fold)
        found_N[here] = predict(rows.input_NF[here])
    return found_N


def _corrected(rows: PartlyObserved, propensity_N: FloatArray, expected_N: FloatArray) -> FloatArray:
    """Return what every row adds to the numerator of the augmented estimate, [N]."""
    gap_N = np.where(rows.observed_N, rows.outcome_N - expected_N, 0.0)
    found: FloatArray = _stands_for(rows) * expected_N + _inverse(rows, propensity_N) * gap_N
    return found


def _stands_for(rows: PartlyObserved) -> FloatArray:
    """Return how many rows of the target each row is, [N]."""
    return rows.weight_N if rows.target == "all" else np.where(rows.observed_N, 0.0, rows.weight_N)


def _inverse(rows: PartlyObserved, propensity_N: FloatArray) -> FloatArray:
    """Return how many rows of the target each observed row speaks for, [N]: 1/e of all rows, (1 - e)/e of the others."""
    share_N = np.ones(propensity_N.size) if rows.target == "all" else 1 - propensity_N
    return np.where(rows.observed_N, rows.weight_N * share_N / propensity_N, 0.0)


def _least(risk_EM: FloatArray) -> Pair:
    propensity, outcome = np.unravel_index(int(np.argmin(risk_EM)), risk_EM.shape)
    return int(propensity), int(outcome)


def _read(corrected_EMN: FloatArray, chosen: Sequence[Pair], half_N: IntArray) -> FloatArray:
    """Return every row's part under the pair that is read on its half, [N]."""
    parts = np.stack([corrected_EMN[pair] for pair in chosen])
    found_N: FloatArray = np.take_along_axis(parts, half_N[None], axis=0)[0]
    return found_N


def _swing(
    corrected_EMN: FloatArray,
    chosen: Sequence[Pair],
    half_N: IntArray,
    rows: float,
    value: float,
    config: NuisanceConfig,
) -> tuple[float, str]:
    """Return the most that one other learner, read on both halves, moves the estimate, and which learner that is."""
    moved = {}
    for place, propensity_learner in enumerate(config.propensities):
        pairs = [(place, outcome) for _, outcome in chosen]
        moved[f"propensities of {propensity_learner}"] = abs(_read(corrected_EMN, pairs, half_N).sum() / rows - value)
    for place, outcome_learner in enumerate(config.outcomes):
        pairs = [(propensity, place) for propensity, _ in chosen]
        moved[f"outcomes of {outcome_learner}"] = abs(_read(corrected_EMN, pairs, half_N).sum() / rows - value)
    worst = max(moved, key=lambda learner: moved[learner])
    return float(moved[worst]), worst
