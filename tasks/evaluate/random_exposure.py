"""The unbiased estimate beside the logged one, where some rows were exposed at random or exposure was logged.

Metrics on logged rows say how a model does on what the product's policy shows. Randomly exposed rows say how it does
on videos at large; importance weights say the same from logged rows, as far as their overlap carries.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw, Estimate, average
from tasks.evaluate.headline import main_statistics, statistic, uniform_statistics
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.evaluate.metrics.uncertainty import Statistic
from tasks.evaluate.off_policy import ESTIMATORS, ExposureOverlap, importance_weights, overlap, refusal
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.rows import Predictions, Rows
from tasks.evaluate.table import PredictionTable


@dataclass(frozen=True)
class ExposureEstimate:
    """Main metrics under one exposure.

    Attributes:
        exposure: `logged`, `random`, or the off-policy estimator (`snips`, `dr`, `ips`) of uniform exposure.
        rows: rows it rests on.
        metrics: estimates by name; empty where `reason` says why.
        diagnostics: of importance weights; None where nothing was weighted.
        reason: why there is no number.
    """

    exposure: str
    rows: int
    metrics: Mapping[str, Estimate]
    diagnostics: ExposureOverlap | None = None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class ExposureRows:
    """Row numbers by exposure, and the importance weights of logged rows; None where nothing was logged."""

    logged: IntArray
    random: IntArray
    weighted: IntArray
    weight_B: FloatArray

    @classmethod
    def of(cls, table: PredictionTable, config: EvaluationConfig) -> "ExposureRows":
        """Split a table's rows."""
        probability = table.frame["exposure_probability"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        weighted = np.flatnonzero(table.logged & np.isfinite(probability))
        num_videos = table.frame["video_id"].n_unique()
        weights = importance_weights(probability[weighted], num_videos, config.weight_clip)
        return cls(np.flatnonzero(table.logged), np.flatnonzero(~table.logged), weighted, weights)

    @property
    def informative(self) -> bool:
        """Whether anything can be said about exposures other than the logged one."""
        return bool(self.random.size and self.logged.size) or bool(self.weighted.size)


def exposure_draws(
    rows: Rows, predictions: Predictions, exposure: ExposureRows, resampler: Resampler, config: EvaluationConfig
) -> dict[str, dict[str, Draw]]:
    """Return one seed's main metrics per exposure."""
    found = {}
    for name, index in (("logged", exposure.logged), ("random", exposure.random)):
        if index.size:
            found[name] = resampler.draw(exposed_statistics(rows.take(index), predictions.take(index), config))
    if exposure.weighted.size:
        part, part_predictions = rows.take(exposure.weighted), predictions.take(exposure.weighted)
        seen = overlap(exposure.weight_B)
        for name, estimator in ESTIMATORS.items():
            if refusal(name, seen, config.minimum_effective_rows) is None:
                statistics = estimator(part, part_predictions, exposure.weight_B)
                found[name] = resampler.draw(_trusted(statistics, part, config))
    return found


def exposed_statistics(rows: Rows, predictions: Predictions, config: EvaluationConfig) -> dict[str, Statistic]:
    """Return the metrics every exposure shows: the main ones, AUC of long views where there are enough of them, and the
    error of the seconds of uniform exposure where the model has them."""
    found = main_statistics(rows, predictions, config)
    if "long_view" in predictions.probability:
        found["auc_long_view"] = statistic("auc_long_view", rows, predictions, config)
    return _trusted(found | uniform_statistics(rows, predictions, config), rows, config)


def _trusted(statistics: dict[str, Statistic], rows: Rows, config: EvaluationConfig) -> dict[str, Statistic]:
    """Leave out the AUC of long views where too few say anything."""
    if rows.labels["long_view"].sum() < config.minimum_positives:
        statistics.pop("auc_long_view", None)
    return statistics


def exposure_estimates(
    exposure: ExposureRows, draws: list[dict[str, dict[str, Draw]]], config: EvaluationConfig
) -> list[ExposureEstimate]:
    """Return every exposure's metrics averaged over seeds."""
    sizes = {"logged": exposure.logged.size, "random": exposure.random.size}
    found = []
    for name in draws[0]:
        metrics = {m: average([draw[name][m] for draw in draws], config.confidence) for m in draws[0][name]}
        found.append(
            ExposureEstimate(name, sizes.get(name, exposure.weighted.size), metrics, _diagnostics(name, exposure))
        )
    if exposure.weighted.size:
        seen = overlap(exposure.weight_B)
        for name in ESTIMATORS:
            reason = refusal(name, seen, config.minimum_effective_rows)
            if reason is not None:
                found.append(ExposureEstimate(name, seen.rows, {}, seen, reason))
    return found


def _diagnostics(name: str, exposure: ExposureRows) -> ExposureOverlap | None:
    return overlap(exposure.weight_B) if name in ESTIMATORS else None
