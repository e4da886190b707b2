"""Every metric by its reported name, as statistics that can be resampled (definitions: docs/methods/metrics.md).

Shapes: B rows, U users.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from tasks.core.errors import ConfigError
from tasks.core.predictions import MEAN_UNIFORM
from tasks.evaluate.catalogue import ACROSS_DAYS, MAIN, NEVER_BESIDE_FRESH, UNIFORM, metric
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.influence import grouped_xauc_influence
from tasks.evaluate.metrics import calibration, classification, lists, point
from tasks.evaluate.metrics.grouped import grouped_xauc, xgauc
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.evaluate.metrics.pairwise import xauc_influence
from tasks.evaluate.metrics.ranked_lists import rank_lists
from tasks.evaluate.metrics.uncertainty import Statistic
from tasks.evaluate.metrics.user_statistics import UserSums
from tasks.evaluate.rows import Predictions, Rows

Measure = Callable[[Rows, Predictions, EvaluationConfig], Statistic]
WATCH: Mapping[str, Measure] = {
    "xauc": lambda rows, of, _: xauc_influence(rows.watch_B, of.score_B, rows.users),
    "xgauc": lambda rows, of, _: xgauc(rows.watch_B, of.score_B, rows.users, rows.days),
    "mae": lambda rows, of, _: point.mae(rows.watch_B, of.median_B, rows.units),
    "rmse": lambda rows, of, _: point.rmse(rows.watch_B, of.mean_B, rows.units),
    "tre_signed": lambda rows, of, _: point.tre_signed(rows.watch_B, of.mean_B, rows.units),
    "video_xauc": lambda rows, of, _: grouped_xauc_influence(rows.watch_B, of.score_B, rows.videos, rows.users),
    "duration_xauc": lambda rows, of, _: grouped_xauc_influence(
        rows.watch_B, of.score_B, rows.duration_groups, rows.users
    ),
    "nmae": lambda rows, of, _: point.nmae(rows.watch_B, of.median_B, rows.units),
    "tre": lambda rows, of, _: point.tre(rows.watch_B, of.mean_B, rows.units),
    "dce_rel": lambda rows, of, _: calibration.dce_rel(rows.watch_B, of.mean_B, rows.duration_groups, rows.units),
    "dce_s": lambda rows, of, _: calibration.dce_s(rows.watch_B, of.mean_B, rows.duration_groups, rows.units),
    "dce_max": lambda rows, of, _: calibration.dce_max(rows.watch_B, of.mean_B, rows.duration_groups, rows.units),
    "pce": lambda rows, of, config: calibration.pce(rows.watch_B, of.mean_B, rows.units, config.prediction_bins),
}
"""Metrics of watch time that need no list."""
TASK: Mapping[str, Callable[[IntArray, FloatArray, Rows, EvaluationConfig], Statistic]] = {
    "auc": lambda label_B, chance_B, rows, _: classification.auc_influence(label_B, chance_B, rows.users),
    "gauc": lambda label_B, chance_B, rows, _: classification.gauc(label_B, chance_B, rows.user_days).of_users(
        rows.users
    ),
    "logloss": lambda label_B, chance_B, rows, _: classification.logloss(label_B, chance_B, rows.units),
    "ece": lambda label_B, chance_B, rows, config: calibration.ece(
        label_B, chance_B, rows.units, config.probability_bins
    ),
    "calibration_ratio": lambda label_B, chance_B, rows, _: classification.calibration_ratio(
        label_B, chance_B, rows.units
    ),
}
"""Metrics of every binary task: family -> statistic of its labels and probabilities."""


def statistic(name: str, rows: Rows, predictions: Predictions, config: EvaluationConfig) -> Statistic:
    """Return one metric of watch time or of a binary task on the rows given.

    Args:
        name: as in the catalogue; one that restates another (`xauc_new_user`, `rmse_ratio`) is that other on these rows.
        rows: observed.
        predictions: of one seed.
        config: number of bins.

    Raises:
        ConfigError: if there is no such metric, or it is that across days and the rows' features are fresh.
        KeyError: if the model does not predict its task, or it is the metric of a list or of another exposure.
    """
    found = metric(name)
    if found.name == ACROSS_DAYS:
        return across_days(rows, predictions)
    if found.column == MEAN_UNIFORM:
        assert predictions.uniform_mean_B is not None
        predictions = replace(predictions, mean_B=predictions.uniform_mean_B)
    if found.task is None:
        return WATCH[found.base or name](rows, predictions, config)
    return TASK[found.family](rows.labels[found.task], predictions.probability[found.task], rows, config)


def across_days(rows: Rows, predictions: Predictions) -> UserSums:
    """Return XGAUC over all pairs of a user's rows, those of different days included.

    Raises:
        ConfigError: if the features are of every morning, for then it rewards what the state says of earlier labels.
    """
    if not rows.frozen:
        raise ConfigError(f"{ACROSS_DAYS} of rows of {rows.days.num_groups} days: {NEVER_BESIDE_FRESH}")
    return grouped_xauc(rows.watch_B, predictions.score_B, rows.users)


def main_statistics(rows: Rows, predictions: Predictions, config: EvaluationConfig) -> dict[str, Statistic]:
    """Return the metrics every segment shows."""
    return {name: WATCH[name](rows, predictions, config) for name in MAIN}


def uniform_statistics(rows: Rows, predictions: Predictions, config: EvaluationConfig) -> dict[str, Statistic]:
    """Return the errors of the seconds under uniform exposure; nothing where the model does not know them."""
    if predictions.uniform_mean_B is None:
        return {}
    return {name: statistic(name, rows, predictions, config) for name in UNIFORM}


def watch_statistics(rows: Rows, predictions: Predictions, config: EvaluationConfig) -> dict[str, Statistic]:
    """Return all metrics of watch time that need no list; that across days where there are several and it means something."""
    found = {name: measure(rows, predictions, config) for name, measure in WATCH.items()}
    if rows.frozen and rows.days.num_groups > 1:
        found[ACROSS_DAYS] = across_days(rows, predictions)
    return found


def list_statistics(rows: Rows, predictions: Predictions, config: EvaluationConfig) -> dict[str, Statistic]:
    """Return the metrics of the top of the list of each user's day, for every list length."""
    ranked = rank_lists(rows.user_days, predictions.score_B, rows.tie_B)
    found: dict[str, UserSums] = {}
    for k in config.list_lengths:
        for label in config.relevance:
            found[f"ndcg_{label}@{k}"] = lists.ndcg_at_k(ranked, rows.labels[label], k)
            found[f"recall_{label}@{k}"] = lists.recall_at_k(ranked, rows.labels[label], k)
        found[f"wt@{k}"] = lists.mean_at_k(ranked, rows.watch_B, k)
        found[f"pcr@{k}"] = lists.completion_at_k(ranked, rows.watch_B, rows.duration_B, k)
        found[f"skip@{k}"] = lists.mean_at_k(ranked, rows.labels["skip"], k)
        found[f"like@{k}"] = lists.mean_at_k(ranked, rows.labels["like"], k)
    return {name: of_days.of_users(rows.users) for name, of_days in found.items()}


def task_statistics(rows: Rows, predictions: Predictions, task: str, config: EvaluationConfig) -> dict[str, Statistic]:
    """Return the metrics of one binary task."""
    return {f"{family}_{task}": statistic(f"{family}_{task}", rows, predictions, config) for family in TASK}
