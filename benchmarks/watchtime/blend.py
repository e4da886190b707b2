"""Rank averages of fitted models: references and calibrators from the validation day."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.watchtime.measure import Outputs
from benchmarks.watchtime.testbed import Testbed
from models.heads.base import TrainLabels
from tasks.core.predictions import probability
from tasks.evaluate.metrics.pairwise import xauc
from tasks.predict.ensemble import combined
from tasks.predict.model import Predictions
from tasks.table.training_table import TrainingTable
from tasks.train.calibrate import ValidationRows, calibrate
from tasks.train.labels import watch_labels


@dataclass(frozen=True, eq=False)
class Member:
    """Calibrated predictions of one fitted model.

    Attributes:
        validation: of the rows calibrators see.
        judge: of the judge days.
    """

    validation: Predictions
    judge: Predictions


def members(testbed: Testbed, bundle: Path) -> dict[int, Member]:
    """Return one member per seed of a fitted recipe."""
    validation, judge = testbed.validation_outputs(bundle), testbed.outputs(bundle)
    return {seed: Member(_served(validation[seed]), _served(found)) for seed, found in judge.items()}


def _served(outputs: Outputs) -> Predictions:
    named = {"score": outputs.score_B, "watch_mean": outputs.mean_B, "watch_median": outputs.median_B}
    return named | {probability(task): value for task, value in outputs.probability.items()}


class Blender:
    """Averages members of one testbed."""

    def __init__(self, testbed: Testbed) -> None:
        self.testbed = testbed

    def blend(self, chosen: Sequence[Member]) -> tuple[Outputs, float]:
        """Return the rank average of two members or more on the judge days, and its XAUC on the validation day."""
        named = {str(number): member for number, member in enumerate(chosen)}
        before = combined({name: member.validation for name, member in named.items()})
        config = self.testbed.training.calibration
        calibration = calibrate(before, self._rows, self._labels, config)
        validation = calibration.apply(before, self._rows.duration_s)
        judge = combined({name: member.judge for name, member in named.items()})
        return self.alone(Member(validation, calibration.apply(judge, self.testbed.judge_duration_s)))

    def alone(self, member: Member) -> tuple[Outputs, float]:
        """Return one member on the judge days, and its XAUC on the validation day."""
        found = member.judge
        probability = {name.removeprefix("p_"): value for name, value in found.items() if name.startswith("p_")}
        outputs = Outputs(found["score"], found["watch_mean"], found["watch_median"], None, None, probability)
        return outputs, xauc(self._rows.watch_s, member.validation["score"]).value

    @cached_property
    def _table(self) -> TrainingTable:
        return TrainingTable.open(self.testbed.table)

    @cached_property
    def _rows(self) -> ValidationRows:
        return ValidationRows.of(self._table)

    @cached_property
    def _labels(self) -> TrainLabels:
        return watch_labels(self._table, "fit")
