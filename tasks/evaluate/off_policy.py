"""What the metrics would be under uniform exposure, from rows that the product's own policy exposed.

Importance weights w = pi_e / pi_b with pi_e uniform over the videos (docs/methods/debias.md#off-policy-evaluation). An
estimator is one function and one line of `ESTIMATORS`. All three weigh what was observed by its probability given the
covariates: where the noise of exposure and of preference are correlated, as in the simulator, even the true probability
does not remove the bias, and only randomly exposed rows tell. Estimators of any policy's mean reward are in
`policy_value`.

Shapes: B rows, U users.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from models.weights import effective_sample_size
from tasks.core.errors import ContractError
from tasks.evaluate.error_model import expected_error
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.evaluate.metrics.pairwise import pair_label
from tasks.evaluate.metrics.point import row_ratio
from tasks.evaluate.metrics.uncertainty import Statistic
from tasks.evaluate.metrics.user_statistics import UserInfluence
from tasks.evaluate.rows import Predictions, Rows


@dataclass(frozen=True)
class ExposureOverlap:
    """How far the logging policy covers uniform exposure.

    Attributes:
        rows: rows with a logged probability.
        mean_weight: near 1 where the logged probabilities are right.
        max_weight: largest weight after clipping.
        effective_rows: (sum w)^2 / sum w^2.
    """

    rows: int
    mean_weight: float
    max_weight: float
    effective_rows: float


def importance_weights(probability_B: FloatArray, num_videos: int, clip: float | None) -> FloatArray:
    """Return pi_e / pi_b for a uniform target policy.

    Args:
        probability_B: [B] logged probability of the exposure.
        num_videos: candidates of the target policy.
        clip: largest weight; None: not clipped.

    Raises:
        ContractError: if a probability lies outside (0, 1].
    """
    outside = np.flatnonzero(~((probability_B > 0) & (probability_B <= 1)))
    if outside.size:
        first = probability_B[outside[0]]
        raise ContractError(f"exposure_probability lies outside (0, 1] in {outside.size} rows, first {first}")
    weight_B = 1 / (num_videos * probability_B)
    return weight_B if clip is None else np.minimum(weight_B, clip)


def overlap(weight_B: FloatArray) -> ExposureOverlap:
    """Return the diagnostics of importance weights."""
    effective = effective_sample_size(weight_B)
    return ExposureOverlap(weight_B.size, float(weight_B.mean()), float(weight_B.max()), effective)


def snips(rows: Rows, predictions: Predictions, weight_B: FloatArray) -> dict[str, Statistic]:
    """Return self-normalised estimates: sum w m / sum w, pairs weighted by the product of their rows' weights."""
    error_B, gap_B = np.abs(rows.watch_B - predictions.median_B), predictions.mean_B - rows.watch_B
    return {
        "xauc": weighted_xauc_influence(rows.watch_B, predictions.score_B, weight_B, rows.users),
        **_long_view(rows, predictions, weight_B),
        "mae": row_ratio(weight_B * error_B, weight_B, rows.units),
        "rmse": row_ratio(weight_B * np.square(gap_B), weight_B, rows.units, "sqrt"),
        "tre_signed": row_ratio(weight_B * gap_B, weight_B * predictions.mean_B, rows.units),
    }


def ips(rows: Rows, predictions: Predictions, weight_B: FloatArray) -> dict[str, Statistic]:
    """Return plain inverse-propensity estimates: mean of w m. Pair accuracy is a ratio and has none of its own."""
    ones_B = np.ones(len(rows))
    error_B, gap_B = np.abs(rows.watch_B - predictions.median_B), predictions.mean_B - rows.watch_B
    return {
        "mae": row_ratio(weight_B * error_B, ones_B, rows.units),
        "rmse": row_ratio(weight_B * np.square(gap_B), ones_B, rows.units, "sqrt"),
    }


def dr(rows: Rows, predictions: Predictions, weight_B: FloatArray) -> dict[str, Statistic]:
    """Return doubly robust estimates: sum w (m - q(v) + mean_v' q(v')) / sum w, q a cross-fitted model of the error.

    Our reading: self-normalised, because logged probabilities hold up to a factor only, and because users and contexts of
    logged rows are themselves exposed ones. Hence it corrects a wrong propensity only as far as the weighted contexts
    allow. Pair accuracy is no mean over rows and has no such estimate.
    """
    error_B, gap_B = np.abs(rows.watch_B - predictions.median_B), predictions.mean_B - rows.watch_B

    def corrected(value_B: FloatArray) -> FloatArray:
        model = expected_error(value_B, rows.duration_B, rows.videos, rows.users, _FOLD_SEED)
        return weight_B * (value_B - model.fitted_B + model.average_B)

    return {
        "mae": row_ratio(corrected(error_B), weight_B, rows.units),
        "rmse": row_ratio(corrected(np.square(gap_B)), weight_B, rows.units, "sqrt"),
    }


_FOLD_SEED = 0


def _long_view(rows: Rows, predictions: Predictions, weight_B: FloatArray) -> dict[str, Statistic]:
    if "long_view" not in predictions.probability:
        return {}
    label_B, chance_B = rows.labels["long_view"], predictions.probability["long_view"]
    return {"auc_long_view": weighted_auc_influence(label_B, chance_B, weight_B, rows.users)}


MEAN_WEIGHT_RANGE = (2 / 3, 3 / 2)
"""Beyond, the logged probabilities are not those of drawing one video of all: per slot, say, or given a candidate set."""


def refusal(name: str, seen: ExposureOverlap, minimum_effective_rows: float) -> str | None:
    """Say why an estimator must not be trusted with these weights; None: nothing speaks against it.

    A common factor of all weights leaves the self-normalised estimator as it is, and makes the plain one meaningless.

    Args:
        name: key of `ESTIMATORS`.
        seen: diagnostics of the weights.
        minimum_effective_rows: effective rows below which nothing is estimated.
    """
    if seen.effective_rows < minimum_effective_rows:
        return f"{seen.effective_rows:.0f} effective rows are fewer than {minimum_effective_rows:g}"
    low, high = MEAN_WEIGHT_RANGE
    if name == "ips" and not low <= seen.mean_weight <= high:
        return f"the mean weight is {seen.mean_weight:.3g}, not 1: the logged probabilities hold up to a factor only"
    return None


Estimator = Callable[[Rows, Predictions, FloatArray], dict[str, Statistic]]
ESTIMATORS: Mapping[str, Estimator] = {"snips": snips, "dr": dr, "ips": ips}


def weighted_xauc_influence(
    watch_B: FloatArray, score_B: FloatArray, weight_B: FloatArray, users: Groups
) -> UserInfluence:
    """Return XAUC with every pair weighted by the product of its rows' weights, and each user's influence on it.

    Args:
        watch_B: [B] seconds.
        score_B: [B] scores.
        weight_B: [B] positive weights; equal ones give the unweighted metric.
        users: user of each row.
    """
    concordant_B, comparable_B = _weighted_concordance(pair_label(watch_B), score_B, weight_B)
    concordant_U, comparable_U = users.sum(weight_B * concordant_B), users.sum(weight_B * comparable_B)
    seen_twice = comparable_U.sum()
    num_users = int((users.rows() > 0).sum())
    if not seen_twice:
        return UserInfluence(float("nan"), np.full(users.num_groups, np.nan), watch_B.size, num_users)
    value = float(concordant_U.sum() / seen_twice)
    return UserInfluence(value, (concordant_U - value * comparable_U) / (seen_twice / 2), watch_B.size, num_users)


def weighted_auc_influence(
    label_B: IntArray, probability_B: FloatArray, weight_B: FloatArray, users: Groups
) -> UserInfluence:
    """Return AUC with every pair weighted by the product of its rows' weights, and each user's influence on it.

    Args:
        label_B: [B] 0/1.
        probability_B: [B] predictions.
        weight_B: [B] positive weights.
        users: user of each row.
    """
    return weighted_xauc_influence(label_B.astype(np.float64), probability_B, weight_B, users)


def _weighted_concordance(
    label_B: IntArray, score_B: FloatArray, weight_B: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the weight of each row's concordant (ties half) and comparable partners.

    Rows with different labels part ways at exactly one bit of the label; there, running sums of weights in score
    order give the partners below, at and above a row's score.
    """
    code_B = np.unique(label_B, return_inverse=True)[1]
    concordant_B, comparable_B = np.zeros(label_B.size), np.zeros(label_B.size)
    for bit in range(int(code_B.max(initial=0)).bit_length()):
        prefix_B = code_B >> (bit + 1)
        order = np.lexsort((score_B, prefix_B))
        prefix, score, weight = prefix_B[order], score_B[order], weight_B[order]
        one = ((code_B[order] >> bit) & 1).astype(bool)
        ones = np.concatenate(([0.0], np.cumsum(weight * one)))
        zeros = np.concatenate(([0.0], np.cumsum(weight * ~one)))
        new_part = np.diff(prefix, prepend=-1) != 0
        start, end = _runs(new_part)
        tie_start, tie_end = _runs(new_part | (np.diff(score, prepend=np.nan) != 0))
        below = zeros[tie_start] - zeros[start] + (zeros[tie_end] - zeros[tie_start]) / 2
        above = ones[end] - ones[tie_end] + (ones[tie_end] - ones[tie_start]) / 2
        concordant_B[order] += np.where(one, below, above)
        comparable_B[order] += np.where(one, zeros[end] - zeros[start], ones[end] - ones[start])
    return concordant_B, comparable_B


def _runs(starts_here: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[IntArray, IntArray]:
    """Return the start and end of each position's run."""
    start = np.flatnonzero(starts_here)
    end = np.append(start[1:], starts_here.size)
    return np.repeat(start, end - start), np.repeat(end, end - start)
