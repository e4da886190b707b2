"""What users would watch if the model's score chose their videos, estimated from rows whose policy logged probabilities.

The policy that is valued draws a video uniformly from those that the model ranks in the top fifth of all videos for the
user. It is compared with drawing from all videos, and with what the product did. Only logged rows have a score, so the
place of a score among all videos is estimated from the user's own rows, each weighted by 1 / (V pi_b): a row stands for an
interval of places in (0, 1), and a user's weights sum to what they do without a model. Of a user with few rows the top
fifth is hardly told from the rest, which draws the estimate towards drawing from all videos.

The policy depends on the video through its place alone, and so does the reward model of the doubly robust estimates: one
mean reward per tenth of the places, whose average under the policy needs no score of a video that was not shown.

Logged probabilities often hold up to a factor (those of one slot of many, say). SNIPS does not mind; the doubly robust
estimates read weights scaled to the mean 1 that right ones have, which their intervals hold fixed; IPS is refused.

Shapes: B rows.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.document import Policy, ServedEstimate, ServedValue
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.off_policy import overlap, refusal
from tasks.evaluate.policy_value import PolicyLog, PolicyValueConfig, estimate_value
from tasks.evaluate.policy_value.cross_fit import cross_fitted
from tasks.evaluate.policy_value.reward_models import action_means
from tasks.evaluate.random_exposure import ExposureRows
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.table import PredictionTable

TOP_SHARE = 0.2
TENTHS = 10
PRIOR_ROWS = 20.0
ESTIMATORS = ("snips", "dr", "dr_os")
"""Those that read weights up to a factor; IPS needs their scale and stands beside them where it is trusted."""


def served_value(predictions: Path, config: EvaluationConfig) -> ServedValue | None:
    """Return the value of each policy as `served_value.json` says it, not yet rounded; None where no row logged its probability.

    Args:
        predictions: the prediction table of one model. Of several seeds, one drawn at random serves each time.
        config: clip of the weights, resamples, and rows below which an estimate is not trusted.

    Raises:
        ContractError: if a column is missing, or a logged probability lies outside (0, 1].
        PredictionError: if a prediction is NaN or infinite.
    """
    if not _logs_probabilities(predictions):
        return None
    table = PredictionTable.read(predictions.parent.name, [predictions])
    exposure = ExposureRows.of(table, config)
    index, weight_B = exposure.weighted, exposure.weight_B
    if not index.size:
        return None
    users = Groups(table.user, table.num_users).subset(index)
    units = Resampler(table.num_users, config.replicates, config.seed).units(users)
    settings = _settings(config)
    reward_B = table.y[index]
    seen = overlap(weight_B)
    scores = [table.score(seed)[index] for seed in table.seeds]
    scaled_B = weight_B / seen.mean_weight
    logged = PolicyLog.without_model(reward_B, np.ones(index.size), units)
    uniform = PolicyLog.without_model(reward_B, scaled_B, units)
    by_score = _by_score(scores, reward_B, scaled_B, users, units, settings)
    named = ESTIMATORS if by_score.fitted_B.any() else ("snips",)
    refused = refusal("ips", seen, config.minimum_effective_rows) or ""
    found: dict[Policy, dict[str, ServedEstimate]] = {"logged": _estimates(logged, settings, ("ips",))}
    valued: tuple[tuple[Policy, PolicyLog, Sequence[str]], ...]
    valued = (("uniform", uniform, ("snips",)), ("score", by_score, named))
    for policy, log, names in valued:
        plain = PolicyLog.without_model(reward_B, log.weight_B * seen.mean_weight, units)
        (ips,) = _estimates(plain, settings, ("ips",)).values()
        ips = ips.model_copy(update={"reason": ips.reason or refused})
        found[policy] = _estimates(log, settings, names) | {"ips": ips}
    return ServedValue(rows=index.size, top_share=TOP_SHARE, mean_weight=seen.mean_weight, policies=found)


def uniform_places(score_B: FloatArray, weight_B: FloatArray, users: Groups) -> tuple[FloatArray, FloatArray]:
    """Return the interval of places, from the lowest score at 0 to the highest at 1, that each row stands for.

    Args:
        score_B: [B] scores; equal ones of a user share their interval.
        weight_B: [B] positive importance weights of a uniform draw.
        users: user of each row.
    """
    order = np.lexsort((score_B, users.code_B))
    user, score, weight = users.code_B[order], score_B[order], weight_B[order]
    new_user = np.diff(user, prepend=-1) != 0
    starts = np.flatnonzero(new_user | (np.diff(score, prepend=np.nan) != 0))
    tied = np.repeat(np.arange(starts.size), np.diff(np.append(starts, score.size)))
    share_T = np.bincount(tied, weight / users.sum(weight_B)[user])
    through_T = np.cumsum(share_T)
    first_T = np.maximum.accumulate(np.where(new_user[starts], np.arange(starts.size), 0))
    before_T = np.concatenate(([0.0], through_T))[first_T]
    low_B, high_B = np.empty(score_B.size), np.empty(score_B.size)
    low_B[order], high_B[order] = (through_T - share_T - before_T)[tied], (through_T - before_T)[tied]
    return low_B.clip(0, 1), high_B.clip(0, 1)


def share_in_top(low_B: FloatArray, high_B: FloatArray) -> FloatArray:
    """Return which share of each row's interval of places lies in the top fifth, [B]."""
    inside_B = np.maximum(high_B - np.maximum(low_B, 1 - TOP_SHARE), 0)
    width_B = high_B - low_B
    share_B: FloatArray = np.divide(inside_B, width_B, out=np.zeros_like(width_B), where=width_B > 0)
    return share_B


def _by_score(
    scores: list[FloatArray],
    reward_B: FloatArray,
    weight_B: FloatArray,
    users: Groups,
    units: Groups,
    settings: PolicyValueConfig,
) -> PolicyLog:
    """Return the log as the policy that serves by a score sees it, averaged over seeds; too few users: without a model."""
    weights, modelled = [], []
    enough = np.count_nonzero(units.rows()) >= settings.folds
    expected_B = np.zeros(reward_B.size)
    for score_B in scores:
        low_B, high_B = uniform_places(score_B, weight_B, users)
        weights.append(weight_B * share_in_top(low_B, high_B) / TOP_SHARE)
        if not enough:
            continue
        tenth_B = np.minimum((TENTHS * (low_B + high_B) / 2).astype(np.int64), TENTHS - 1)
        no_context_BF = np.empty((reward_B.size, 0))
        model = action_means(TENTHS, PRIOR_ROWS)
        reward_BA = cross_fitted(model, no_context_BF, tenth_B, reward_B, units, settings.folds, settings.seed)
        modelled.append(weights[-1] * reward_BA[np.arange(reward_B.size), tenth_B])
        expected_B += reward_BA[:, -round(TOP_SHARE * TENTHS) :].mean(axis=1) / len(scores)
    weight_B = np.mean(weights, axis=0)
    if not enough:
        return PolicyLog.without_model(reward_B, weight_B, units)
    # A seed's model counts as far as its seed's weight does: the estimates read weight times model only.
    fitted_B = np.divide(np.mean(modelled, axis=0), weight_B, out=np.zeros_like(weight_B), where=weight_B > 0)
    return PolicyLog(reward_B, weight_B, units, fitted_B, expected_B)


def _estimates(log: PolicyLog, settings: PolicyValueConfig, names: Sequence[str]) -> dict[str, ServedEstimate]:
    return {value.estimator: ServedEstimate.model_validate(value) for value in estimate_value(log, settings, names)}


def _settings(config: EvaluationConfig) -> PolicyValueConfig:
    return PolicyValueConfig(
        replicates=config.replicates,
        confidence=config.confidence,
        seed=config.seed,
        minimum_effective_rows=config.minimum_effective_rows,
        minimum_positives=config.minimum_positives,
    )


def _logs_probabilities(predictions: Path) -> bool:
    logged = pl.col("exposure_probability").cast(pl.Float64)
    found = pl.scan_parquet(predictions).select((logged.is_finite() & (pl.col("policy") != "random")).any()).collect()
    return bool(found.item())
