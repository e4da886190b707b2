"""The calibrators of one fit: from its score to mean and median seconds, fitted on the validation day."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration import (
    CalibrationRefused,
    CalibrationRows,
    CalibratorConfig,
    MeanCalibrator,
    MedianCalibrator,
    pooled_level,
)
from models.duration_groups import duration_cuts
from models.fusion.rank_average import ReferenceScores, rank_average
from models.heads.base import TrainLabels
from tasks.core.predictions import MEAN, MEAN_UNIFORM, MEDIAN, SCORE, probabilities
from tasks.table.training_table import TrainingTable
from tasks.train.config import CalibrationConfig
from tasks.train.corrected import CorrectedSeconds, CorrectionFit
from tasks.train.labels import watch_labels

Floats = NDArray[np.float64]

CORRECTED = "corrected"
"""What the correction makes of the seconds, among the predictions that calibrators read."""
CORRECTION = "correction"
"""Its entry in the file, where there is one."""


@dataclass(frozen=True)
class ValidationRows:
    """Labels of the validation day, the only rows calibrators see.

    Attributes:
        watch_s: seconds.
        duration_s: seconds.
        user: user ids.
        day: ISO date.
        random: whether each row was exposed uniformly at random; None: seconds under uniform exposure are not asked for.
    """

    watch_s: Floats
    duration_s: Floats
    user: NDArray[np.int64]
    day: str
    random: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, table: TrainingTable) -> "ValidationRows":
        """Read them from a table."""
        labels, user = watch_labels(table, "validation"), table.column("validation", "user_id")
        random = np.array(table.column("validation", "random")).astype(np.bool_)
        return cls(labels.watch_s, labels.duration_s, np.array(user), table.validation_day.isoformat(), random)


@dataclass(frozen=True)
class Calibration:
    """What turns the raw predictions of one fit into those that serve.

    Attributes:
        mean_input: prediction the mean calibrator reads: the corrected seconds where there is a correction, the native mean
            where a head has one, else the score.
        mean: mean calibrator.
        median: median calibrator; it reads the corrected seconds where there are any, else the score.
        refused: why the mean calibrator must not serve; None: it may.
        references: distribution of every score where there are several, whose percentiles are averaged.
        correction: what changes the seconds first; None: nothing.
    """

    mean_input: str
    mean: MeanCalibrator
    median: MedianCalibrator
    refused: str | None
    references: Mapping[str, ReferenceScores] = field(default_factory=dict)
    correction: CorrectedSeconds | None = None

    def apply(self, predictions: dict[str, Floats], duration_s: Floats) -> dict[str, Floats]:
        """Return `score`, `watch_mean`, `watch_median`, the probabilities, and `watch_mean_uniform` where it is known."""
        fused = predictions | {"score": _score(predictions, self.references)}
        ranked_by = median_input = "score"
        if self.correction is not None:
            fused[CORRECTED] = self.correction.apply(fused, duration_s)
            median_input = CORRECTED
            ranked_by = CORRECTED if self.correction.ranks else "score"
        mean_s, uniform_s = self.mean.apply_both(fused[self.mean_input], duration_s)
        return {
            SCORE: fused[ranked_by],
            MEAN: mean_s,
            MEDIAN: self.median.apply(fused[median_input], duration_s),
            **({} if uniform_s is None else {MEAN_UNIFORM: uniform_s}),
            **probabilities(predictions),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the calibrators as JSON values."""
        return {
            "mean_input": self.mean_input,
            "mean": json.loads(self.mean.to_json()),
            "median": json.loads(self.median.to_json()),
            "refused": self.refused,
            "references": {name: value.model_dump(mode="json") for name, value in self.references.items()},
            **({} if self.correction is None else {CORRECTION: self.correction.to_dict()}),
        }

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "Calibration":
        """Return what `to_dict` gave."""
        mean = MeanCalibrator.from_json(json.dumps(value["mean"]))
        median = MedianCalibrator.from_json(json.dumps(value["median"]))
        references = {name: ReferenceScores(**curve) for name, curve in value.get("references", {}).items()}
        correction = CorrectedSeconds.from_dict(value[CORRECTION]) if CORRECTION in value else None
        return cls(value["mean_input"], mean, median, value["refused"], references, correction)


def calibrate(
    predictions: dict[str, Floats], rows: ValidationRows, labels: TrainLabels, config: CalibrationConfig
) -> Calibration:
    """Fit the correction, if any, and both calibrators; one that breaks a guard is kept, marked as refused, and must not
    serve. Calibrators read corrected seconds of users that the correction did not learn from.

    Args:
        predictions: of the rows, by the names of `tasks.train.validate.as_arrays`.
        rows: labels of the validation day.
        labels: of the fit rows, for the duration groups, the level of watch time before this day, and whether replays count.
        config: how.
    """
    scores = {name: value for name, value in predictions.items() if name == "score" or name.startswith("score_")}
    references = {name: ReferenceScores.fit(value) for name, value in scores.items()} if len(scores) > 1 else {}
    fused = predictions | {"score": _score(predictions, references)}
    edges = duration_cuts(labels.duration_s, config.groups)
    mean_input = "mean" if "mean" in predictions else "score"
    guarded = CalibratorConfig(**config.model_dump(include=set(CalibratorConfig.model_fields)))
    relaxed = guarded.model_copy(update={"min_rows": 1})
    mean_day = CalibrationRows(
        fused[mean_input], rows.watch_s, rows.duration_s, rows.user, labels.truncated, rows.random
    )
    median_day, correction = replace(mean_day, value=fused["score"], random=None), None
    if config.correction.kind != "none":
        fitting = CorrectionFit(
            config.correction, mean_input, mean_day, probabilities(predictions), labels, edges, relaxed
        )
        if (found := fitting.run()) is not None:
            correction, seconds = found
            mean_input = CORRECTED
            mean_day, median_day = (replace(day, value=seconds) for day in (mean_day, median_day))
    level, refused = 1.0, None
    if config.level == "all_days":
        level = pooled_level(labels.watch_s, labels.duration_s, rows.watch_s, rows.duration_s, edges)
    try:
        mean = MeanCalibrator.fit(mean_day, edges, rows.day, guarded, level)
    except CalibrationRefused as error:
        refused = str(error)
        mean = MeanCalibrator.fit(mean_day, edges, rows.day, guarded, level, guarded=False)
    median = MedianCalibrator.fit(median_day, edges, rows.day, relaxed)
    return Calibration(mean_input, mean, median, refused, references, correction)


def _score(predictions: Mapping[str, Floats], references: Mapping[str, ReferenceScores]) -> Floats:
    if not references:
        return predictions["score"]
    return rank_average([reference(predictions[name]) for name, reference in references.items()])
