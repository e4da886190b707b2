"""Corrected seconds of one fit: what a correction makes of its predictions, before both calibrators read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration import CalibrationRows, CalibratorConfig
from models.calibration.curve import isotonic
from models.calibration.group_curves import GroupCurves
from models.correction.base import BaseRows, Correction, LabelledRows
from models.correction.config import CorrectionOptions
from models.correction.registry import CORRECTIONS
from models.heads.base import TrainLabels
from models.propensity.fit import part_of
from tasks.core.predictions import probabilities

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Chances = Mapping[str, Floats]
"""Output -> probabilities of a task."""

HALVES = 2


@dataclass(frozen=True)
class Half:
    """What one half of the users taught.

    Attributes:
        curves: from the score to seconds; None: what is read is seconds.
        correction: of the seconds.
    """

    curves: GroupCurves | None
    correction: Correction

    def apply(self, value: Floats, duration_s: Floats, chances: Chances) -> Floats:
        """Return corrected seconds, [rows]; arguments as of `BaseRows`, `value` seconds or a score."""
        return self.correction.apply(_base(value, duration_s, chances, self.curves))


@dataclass(frozen=True)
class CorrectedSeconds:
    """A correction, and what it reads: the mean of what both halves of the users taught.

    Attributes:
        reads: the prediction that is corrected: `mean` where a head says seconds, else `score`.
        halves: the corrections.
    """

    reads: str
    halves: tuple[Half, ...]

    @property
    def ranks(self) -> bool:
        """Whether rows are ranked by corrected seconds."""
        config: CorrectionOptions = self.halves[0].correction.config
        return config.score == "corrected"

    def apply(self, predictions: Mapping[str, Floats], duration_s: Floats) -> Floats:
        """Return corrected seconds, [rows].

        Args:
            predictions: uncalibrated, with one `score`.
            duration_s: seconds, [rows].
        """
        chances = probabilities(predictions)
        found = [half.apply(predictions[self.reads], duration_s, chances) for half in self.halves]
        mean: Floats = np.mean(found, axis=0)
        return mean

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values; its floats come back bit for bit."""
        return {
            "reads": self.reads,
            "config": self.halves[0].correction.config.model_dump(mode="json"),
            "halves": [
                {
                    "curves": None if half.curves is None else half.curves.model_dump(mode="json"),
                    "state": {name: value.tolist() for name, value in half.correction.state.items()},
                }
                for half in self.halves
            ],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "CorrectedSeconds":
        """Return what `to_dict` gave."""
        kind = CORRECTIONS[value["config"]["kind"]]
        config, halves = kind.Config(**value["config"]), []
        for half in value["halves"]:
            state = {name: np.array(values) for name, values in half["state"].items()}
            curves = None if half["curves"] is None else GroupCurves(**half["curves"])
            halves.append(Half(curves, kind(config, state)))
        return cls(value["reads"], tuple(halves))


@dataclass(frozen=True)
class CorrectionFit:
    """Fits a correction to the rows of one day.

    Attributes:
        config: of the correction.
        reads: the prediction that `day.value` holds, `mean` or `score`.
        day: rows and labels.
        chances: of the rows.
        train: labels of the fit days.
        edges: inner edges of the duration groups in which a score becomes seconds.
        curves: how.
    """

    config: CorrectionOptions
    reads: str
    day: CalibrationRows
    chances: Chances
    train: TrainLabels
    edges: Floats
    curves: CalibratorConfig

    def run(self) -> tuple[CorrectedSeconds, Floats] | None:
        """Return the correction, and seconds of every row by the half that does not hold its user, [rows].

        The latter are what calibrators may be fitted on: a correction is too good on rows it learned from. Each half of the
        users also says when the other one stops learning. None where a half has no user.
        """
        part = part_of(self.day.user, HALVES)
        sides = [part == half for half in range(HALVES)]
        if not all(side.any() for side in sides):
            return None
        seconds, halves = np.empty(len(self.day)), []
        for side in sides:
            half = self._fit(~side, side)
            seconds[side] = half.correction.apply(self._rows(side, half.curves).base)
            halves.append(half)
        return CorrectedSeconds(self.reads, tuple(halves)), seconds

    def _fit(self, keep: Bools, watched: Bools) -> Half:
        rows = self.day.where(keep)
        curves = None if self.reads == "mean" else GroupCurves.fit(rows, self.edges, self.curves, isotonic)
        learned, others = (self._rows(part, curves) for part in (keep, watched))
        return Half(curves, CORRECTIONS[self.config.kind].fit(self.config, learned, self.train, others))

    def _rows(self, keep: Bools, curves: GroupCurves | None) -> LabelledRows:
        rows, chances = self.day.where(keep), {name: value[keep] for name, value in self.chances.items()}
        return LabelledRows(_base(rows.value, rows.duration_s, chances, curves), rows.watch_s)


def _base(value: Floats, duration_s: Floats, chances: Chances, curves: GroupCurves | None) -> BaseRows:
    seconds = value if curves is None else curves.apply(value, duration_s)
    return BaseRows(np.maximum(seconds, 0.0), duration_s, chances)
