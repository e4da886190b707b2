"""Predicted against observed, bin by bin: what a calibration plot is drawn from."""

from collections.abc import Iterator

import numpy as np

from tasks.core.document import Document
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.metrics.calibration import assign_bins, quantile_edges
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import Array, FloatArray
from tasks.evaluate.rows import Predictions, Rows

FILE = "reliability.csv"


class CalibrationBin(Document):
    """One point of a calibration plot: a line of `reliability.csv`."""

    table: str
    """`duration_decile` and `watch_mean` (seconds), or a binary task (probabilities)."""
    seed: int
    """Whose predictions."""
    bin: int
    """From 0."""
    low: float
    """Smallest duration or prediction in the bin."""
    high: float
    """Largest."""
    rows: int
    predicted: float
    """Mean prediction."""
    observed: float
    """Mean label."""


def reliability(rows: Rows, predictions: Predictions, seed: int, config: EvaluationConfig) -> list[CalibrationBin]:
    """Return the bins of one seed: by duration decile, by predicted seconds, and per binary task by probability."""
    watch_B, mean_B = rows.watch_B, predictions.mean_B
    by_prediction = assign_bins(mean_B, quantile_edges(mean_B, config.prediction_bins))
    found = [*_bins("duration_decile", seed, rows.duration_groups, rows.duration_B, mean_B, watch_B)]
    found += _bins("watch_mean", seed, by_prediction, mean_B, mean_B, watch_B)
    for task, probability_B in predictions.probability.items():
        bins = assign_bins(probability_B, quantile_edges(probability_B, config.probability_bins))
        found += _bins(task, seed, bins, probability_B, probability_B, rows.labels[task])
    return found


def _bins(
    table: str, seed: int, bins: Groups, by_B: FloatArray, predicted_B: FloatArray, observed_B: Array
) -> Iterator[CalibrationBin]:
    count_G, predicted_G, observed_G = bins.rows(), bins.sum(predicted_B), bins.sum(observed_B)
    low_G, high_G = np.full(bins.num_groups, np.inf), np.full(bins.num_groups, -np.inf)
    np.minimum.at(low_G, bins.code_B, by_B)
    np.maximum.at(high_G, bins.code_B, by_B)
    for group in np.flatnonzero(count_G):
        rows = int(count_G[group])
        yield CalibrationBin(
            table=table,
            seed=seed,
            bin=int(group),
            low=float(low_G[group]),
            high=float(high_G[group]),
            rows=rows,
            predicted=float(predicted_G[group] / rows),
            observed=float(observed_G[group] / rows),
        )
