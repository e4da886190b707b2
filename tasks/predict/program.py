"""Calibration and ensembles as modules of tensors: the ends of exported programs.

Their outputs have the names of the columns of scores.parquet. Shape legend: B rows.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from models.calibration.program import CurveProgram, GroupCurvesProgram, MeanProgram, MedianProgram
from models.serving import PROBABILITY, SCORE_OF
from tasks.core.predictions import MEAN, MEAN_UNIFORM, MEDIAN, SCORE, probabilities, probability
from tasks.predict.ensemble import joined
from tasks.train.calibrate import CORRECTED, Calibration
from tasks.train.corrected import CorrectedSeconds


class CorrectionProgram(nn.Module):
    """`CorrectedSeconds.apply` on tensors."""

    def __init__(self, correction: CorrectedSeconds) -> None:
        super().__init__()
        self.reads = correction.reads
        self.curves = nn.ModuleList(
            GroupCurvesProgram(half.curves) for half in correction.halves if half.curves is not None
        )
        self.corrections = nn.ModuleList(half.correction.program() for half in correction.halves)

    def forward(self, raw: Mapping[str, Tensor], duration_B: Tensor) -> Tensor:
        """Return corrected seconds, [B]; arguments as of `CalibrationProgram`, double."""
        value_B, chances = raw[self.reads], probabilities(raw)
        seconds = [curves(value_B, duration_B) for curves in self.curves] or [value_B] * len(self.corrections)
        found = [
            correction(base_B.clamp(min=0), duration_B, chances)
            for correction, base_B in zip(self.corrections, seconds, strict=True)
        ]
        return _average(found)


class CalibrationProgram(nn.Module):
    """`Calibration.apply` on tensors."""

    def __init__(self, calibration: Calibration) -> None:
        super().__init__()
        self.mean_input, self.median_input, self.ranked_by = calibration.mean_input, SCORE, SCORE
        self.correction = None
        if calibration.correction is not None:
            self.correction = CorrectionProgram(calibration.correction)
            self.median_input = CORRECTED
            self.ranked_by = CORRECTED if calibration.correction.ranks else SCORE
        self.mean, self.median = MeanProgram(calibration.mean), MedianProgram(calibration.median)
        self.names = tuple(calibration.references)
        self.references = nn.ModuleList(
            CurveProgram(reference.score, reference.percentile) for reference in calibration.references.values()
        )

    def forward(self, raw: Mapping[str, Tensor], duration_B: Tensor) -> dict[str, Tensor]:
        """Return `score`, `watch_mean`, `watch_median`, `watch_mean_uniform` where it is known, and `p_<task>`, float64 [B].

        Args:
            raw: predictions before calibration, by the names of `Model.predict_raw`, [B] each.
            duration_B: seconds.
        """
        wide = {name: value_B.double() for name, value_B in raw.items()}
        duration_B = duration_B.double()
        wide[SCORE] = self._score(wide)
        if self.correction is not None:
            wide[CORRECTED] = self.correction(wide, duration_B)
        mean_B, uniform_B = self.mean(wide[self.mean_input], duration_B)
        return {
            SCORE: wide[self.ranked_by],
            MEAN: mean_B,
            MEDIAN: self.median(wide[self.median_input], duration_B),
            **({} if uniform_B is None else {MEAN_UNIFORM: uniform_B}),
            **probabilities(wide),
        }

    def _score(self, raw: Mapping[str, Tensor]) -> Tensor:
        if not self.names:
            return raw[SCORE]
        percentiles = [reference(raw[name]) for name, reference in zip(self.names, self.references, strict=True)]
        return _average(percentiles)


class NetworkEnd(nn.Module):
    """Calibrates what `models.serving.ServingRanker` returns."""

    def __init__(self, calibration: Calibration) -> None:
        super().__init__()
        self.calibration = CalibrationProgram(calibration)

    def forward(self, served: Mapping[str, Tensor], duration_B: Tensor) -> dict[str, Tensor]:
        """Return what `CalibrationProgram` does."""
        raw = {_raw_name(name): value_B for name, value_B in served.items()}
        return self.calibration(raw, duration_B)  # type: ignore[no-any-return]


class EnsembleProgram(nn.Module):
    """`tasks.predict.ensemble.combined` and the ensemble's own calibration."""

    def __init__(self, calibration: Calibration) -> None:
        super().__init__()
        self.calibration = CalibrationProgram(calibration)

    def forward(self, members: Mapping[str, Mapping[str, Tensor]], duration_B: Tensor) -> dict[str, Tensor]:
        """Return what `CalibrationProgram` does.

        Args:
            members: member -> what its own program returns.
            duration_B: seconds.
        """
        return self.calibration(joined(members, _average), duration_B)  # type: ignore[no-any-return]


def _raw_name(served: str) -> str:
    """Return the name in `Model.predict_raw` of an output of `ServingRanker`."""
    if served.startswith(PROBABILITY):
        return probability(served.removeprefix(PROBABILITY))
    return f"score_{served.removeprefix(SCORE_OF)}" if served.startswith(SCORE_OF) else served


def _average(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(tuple(values)).mean(0)
