"""Predicted against observed, bin by bin: what a calibration plot is drawn from."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.metrics.calibration import assign_bins, quantile_edges
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import Array, FloatArray
from tasks.evaluate.rows import Predictions, Rows


@dataclass(frozen=True)
class ReliabilityBin:
    """One point of a calibration plot.

    Attributes:
        table: `duration_decile` and `watch_mean` (seconds), or a binary task (probabilities).
        seed: whose predictions.
        bin: from 0.
        low: smallest duration or prediction in the bin.
        high: largest.
        rows: rows.
        predicted: mean prediction.
        observed: mean label.
    """

    table: str
    seed: int
    bin: int
    low: float
    high: float
    rows: int
    predicted: float
    observed: float


def reliability(rows: Rows, predictions: Predictions, seed: int, config: EvaluationConfig) -> list[ReliabilityBin]:
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
) -> Iterator[ReliabilityBin]:
    count_G, predicted_G, observed_G = bins.rows(), bins.sum(predicted_B), bins.sum(observed_B)
    low_G, high_G = np.full(bins.num_groups, np.inf), np.full(bins.num_groups, -np.inf)
    np.minimum.at(low_G, bins.code_B, by_B)
    np.maximum.at(high_G, bins.code_B, by_B)
    for group in np.flatnonzero(count_G):
        rows = int(count_G[group])
        edges = float(low_G[group]), float(high_G[group])
        means = float(predicted_G[group] / rows), float(observed_G[group] / rows)
        yield ReliabilityBin(table, seed, int(group), *edges, rows, *means)
