"""One arm of a paired comparison: its metrics ready to be paired, and those it is held to alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.evaluate.catalogue import LEVELS, metric
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw
from tasks.evaluate.exposed import ExposedPart
from tasks.evaluate.headline import statistic
from tasks.evaluate.metrics import calibration
from tasks.evaluate.metrics.groups import encode_groups
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.evaluate.metrics.uncertainty import Statistic
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.rows import Predictions, Rows, predicted
from tasks.evaluate.table import PredictionTable


@dataclass(frozen=True, eq=False)
class JudgeRows:
    """The rows both arms are judged on.

    Attributes:
        rows: observed.
        index: their numbers in the prediction tables.
        compared: metrics of logged rows whose differences are taken.
        segments: flag -> numbers of the rows that have it.
        scene_B: scene of each row.
        tasks: binary tasks both arms predict.
        resampler: of the users, shared by both arms.
        parts: rows that estimate metrics under uniform exposure.
    """

    rows: Rows
    index: IntArray
    compared: tuple[str, ...]
    segments: Mapping[str, IntArray]
    scene_B: IntArray
    tasks: tuple[str, ...]
    resampler: Resampler
    parts: tuple[ExposedPart, ...] = ()

    def rows_of(self, name: str) -> Rows:
        """Return the rows a metric is computed on."""
        found = metric(name)
        if found.exposure:
            return next(part.rows for part in self.parts if part.name == found.exposure)
        return self.rows.take(self.segments[found.segment]) if found.segment else self.rows


@dataclass(frozen=True, eq=False)
class Arm:
    """What one model brings into a comparison.

    Attributes:
        draws: metric -> one draw per seed.
        levels: those of `catalogue.LEVELS`, averaged over seeds.
        scene_errors: scene -> size of its relative calibration error, averaged over seeds.
        tied_share: share of pairs of rows with equal score, averaged over seeds.
    """

    draws: Mapping[str, list[Draw]]
    levels: Mapping[str, float]
    scene_errors: Mapping[str, float]
    tied_share: float


def measure_arm(table: PredictionTable, judged: JudgeRows, config: EvaluationConfig) -> Arm:
    """Measure every seed of one model."""
    draws: dict[str, list[Draw]] = {}
    levels, scenes, tied = [], [], []
    for seed in table.seeds:
        everything = predicted(table, seed, judged.tasks)
        predictions = everything.take(judged.index)
        statistics = {name: _statistic(name, judged, predictions, config) for name in judged.compared}
        for part in judged.parts:
            statistics |= part.statistics(everything, config.minimum_positives)
        for name, draw in judged.resampler.draw(statistics).items():
            draws.setdefault(name, []).append(draw)
        levels.append({name: statistic(name, judged.rows, predictions, config).value for name in LEVELS})
        scenes.append(_scene_errors(judged, predictions, config.minimum_segment_rows))
        tied.append(tied_share(predictions.score_B))
    return Arm(draws, _means(levels), _means(scenes), float(np.mean(tied)))


def tied_share(score_B: FloatArray) -> float:
    """Return the share of all pairs of rows whose scores are equal; NaN without a pair."""
    count = np.unique(score_B, return_counts=True)[1].astype(np.int64)
    pairs = score_B.size * (score_B.size - 1) // 2
    return float((count * (count - 1) // 2).sum() / pairs) if pairs else float("nan")


def _statistic(name: str, judged: JudgeRows, predictions: Predictions, config: EvaluationConfig) -> Statistic:
    segment = metric(name).segment
    part = predictions.take(judged.segments[segment]) if segment else predictions
    return statistic(name, judged.rows_of(name), part, config)


def _scene_errors(judged: JudgeRows, predictions: Predictions, minimum_rows: int) -> dict[str, float]:
    bins = calibration.bin_calibration(judged.rows.watch_B, predictions.mean_B, encode_groups(judged.scene_B))
    scenes = zip(np.unique(judged.scene_B), bins.relative_G, bins.rows_G, strict=True)
    return {str(scene): float(abs(relative)) for scene, relative, rows in scenes if rows >= minimum_rows}


def _means(of_seeds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([values[name] for values in of_seeds])) for name in of_seeds[0]}
