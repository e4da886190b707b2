"""Every metric by its reported name, as statistics that can be resampled (definitions: docs/methods/metrics.md).

Shapes: B rows, U users.
"""

from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.influence import grouped_xauc_influence
from tasks.evaluate.metrics import calibration, classification, lists, point
from tasks.evaluate.metrics.grouped import grouped_xauc
from tasks.evaluate.metrics.pairwise import xauc_influence
from tasks.evaluate.metrics.ranked_lists import rank_lists
from tasks.evaluate.metrics.uncertainty import Statistic
from tasks.evaluate.rows import Predictions, Rows


def main_statistics(rows: Rows, predictions: Predictions) -> dict[str, Statistic]:
    """Return the metrics every segment shows: pair accuracy, errors in seconds and the signed total error."""
    watch_B, units = rows.watch_B, rows.units
    return {
        "xauc": xauc_influence(watch_B, predictions.score_B, rows.users),
        "xgauc": grouped_xauc(watch_B, predictions.score_B, rows.users),
        "mae": point.mae(watch_B, predictions.median_B, units),
        "rmse": point.rmse(watch_B, predictions.mean_B, units),
        "tre_signed": point.tre_signed(watch_B, predictions.mean_B, units),
    }


def watch_statistics(rows: Rows, predictions: Predictions, config: EvaluationConfig) -> dict[str, Statistic]:
    """Return all metrics of watch time that need no list."""
    watch_B, mean_B, units, deciles = rows.watch_B, predictions.mean_B, rows.units, rows.duration_groups
    return {
        **main_statistics(rows, predictions),
        "video_xauc": grouped_xauc_influence(watch_B, predictions.score_B, rows.videos, rows.users),
        "duration_xauc": grouped_xauc_influence(watch_B, predictions.score_B, deciles, rows.users),
        "nmae": point.nmae(watch_B, predictions.median_B, units),
        "tre": point.tre(watch_B, mean_B, units),
        "dce_rel": calibration.dce_rel(watch_B, mean_B, deciles, units),
        "dce_s": calibration.dce_s(watch_B, mean_B, deciles, units),
        "dce_max": calibration.dce_max(watch_B, mean_B, deciles, units),
        "pce": calibration.pce(watch_B, mean_B, units, config.prediction_bins),
    }


def list_statistics(rows: Rows, predictions: Predictions, config: EvaluationConfig) -> dict[str, Statistic]:
    """Return the metrics of the top of each user's list, for every list length."""
    ranked = rank_lists(rows.users, predictions.score_B, rows.tie_B)
    found: dict[str, Statistic] = {}
    for k in config.list_lengths:
        for label in config.relevance:
            found[f"ndcg_{label}@{k}"] = lists.ndcg_at_k(ranked, rows.labels[label], k)
            found[f"recall_{label}@{k}"] = lists.recall_at_k(ranked, rows.labels[label], k)
        found[f"wt@{k}"] = lists.mean_at_k(ranked, rows.watch_B, k)
        found[f"pcr@{k}"] = lists.completion_at_k(ranked, rows.watch_B, rows.duration_B, k)
        found[f"skip@{k}"] = lists.mean_at_k(ranked, rows.labels["skip"], k)
        found[f"like@{k}"] = lists.mean_at_k(ranked, rows.labels["like"], k)
    return found


def task_statistics(rows: Rows, predictions: Predictions, task: str, config: EvaluationConfig) -> dict[str, Statistic]:
    """Return the metrics of one binary task."""
    label_B, probability_B = rows.labels[task], predictions.probability[task]
    return {
        f"auc_{task}": classification.auc_influence(label_B, probability_B, rows.users),
        f"gauc_{task}": classification.gauc(label_B, probability_B, rows.users),
        f"logloss_{task}": classification.logloss(label_B, probability_B, rows.units),
        f"ece_{task}": calibration.ece(label_B, probability_B, rows.units, config.probability_bins),
        f"calibration_ratio_{task}": classification.calibration_ratio(label_B, probability_B, rows.units),
    }
