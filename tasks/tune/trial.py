"""One trial: fit a candidate with every seed and measure it on the validation day."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.recipe import WATCH_TIME
from tasks.core.errors import TuningError
from tasks.core.predictions import MEDIAN, SCORE
from tasks.evaluate.metrics.grouped import xgauc
from tasks.evaluate.metrics.groups import encode_groups
from tasks.evaluate.metrics.pairwise import xauc
from tasks.table.training_table import TrainingTable
from tasks.train.calibrate import ValidationRows, calibrate
from tasks.train.config import TrainingConfig
from tasks.train.device import Device
from tasks.train.fit import Fitted, SeedFit
from tasks.train.problem import FitProblem, open_problem
from tasks.train.validate import predict_split
from tasks.tune.config import Metric
from tasks.tune.space import Candidate

Floats = NDArray[np.float64]
Observer = Callable[[int, float], None]
"""Called after every epoch of a trial's first fit with its number (from 1) and its value; may raise to end the trial."""


@dataclass(frozen=True)
class MeasuredTrial:
    """One fit on the validation day.

    Attributes:
        value: of the metric, at the epoch whose weights are kept.
        score_B: [B] score that would serve.
        median_B: [B] seconds that would serve as the median.
        fitted: the weights of that epoch, and how they came about.
    """

    value: float
    score_B: Floats
    median_B: Floats
    fitted: Fitted


@dataclass(frozen=True, eq=False)
class CandidateFits:
    """A candidate on the table's fit and validation splits: one fit per seed, each measured.

    Attributes:
        problem: table and recipe.
        training: how it is fitted.
        metric: what to measure.
        checkpoints: folder from which an interrupted fit goes on.
    """

    problem: FitProblem
    training: TrainingConfig
    metric: Metric
    checkpoints: Path

    @classmethod
    def open(cls, table: Path, candidate: Candidate, metric: Metric, checkpoints: Path) -> "CandidateFits":
        """Open the table that the table stage wrote for a candidate.

        Raises:
            TrainingError: if the table lacks what the recipe needs.
        """
        problem = open_problem(TrainingTable.open(table), candidate.recipe)
        return cls(problem, candidate.training, metric, checkpoints)

    def measure(self, seed: int, observe: Observer) -> MeasuredTrial:
        """Fit one seed, or go on with it, and measure it on the validation day.

        Args:
            seed: of the fit.
            observe: see `Observer`.

        Raises:
            TrainingError: if the fit cannot go on.
            TuningError: if the metric is not defined on the validation day.
        """
        torch.set_num_threads(self.training.threads)
        fitted = self._fit(seed, observe)
        rows = ValidationRows.of(self.problem.table)
        served = _served(self.problem, fitted, self.training, rows)
        value = _value(self.metric, fitted, rows, served[SCORE])
        if not np.isfinite(value):
            raise TuningError(f"{self.metric} is {value} on the validation day")
        return MeasuredTrial(value, served[SCORE], served[MEDIAN], fitted)

    def _fit(self, seed: int, observe: Observer) -> Fitted:
        fit = SeedFit(self.problem, seed, self.training, self.checkpoints / f"seed{seed}")
        fit.resume()

        def see(row: Mapping[str, Any]) -> None:
            observe(row["epoch"], _of_epoch(self.metric, row))

        for row in fit.curves:
            see(row)
        return fit.finish(see)


def run_trial(fits: CandidateFits, seeds: Sequence[int], observe: Observer) -> float:
    """Fit a candidate with every seed; return the mean of the metric. The first fit alone is observed."""
    return fmean(fits.measure(seed, observe if seed == seeds[0] else ignore).value for seed in seeds)


def _of_epoch(metric: Metric, row: Mapping[str, Any]) -> float:
    """Return what an epoch is judged by: XAUC stands for XGAUC, which follows it and is not computed every epoch."""
    return _watch_loss(row) if metric == "watch_loss" else float(row["validation_xauc"])


def _watch_loss(row: Mapping[str, Any]) -> float:
    return float(sum(value for name, value in row.items() if name.startswith(f"validation_{WATCH_TIME}")))


def _served(
    problem: FitProblem, fitted: Fitted, training: TrainingConfig, rows: ValidationRows
) -> Mapping[str, Floats]:
    ranker, device = problem.fitted_ranker(fitted.weights), Device.of(training)
    predictions = predict_split(ranker.to(device.name), problem.validation.impressions, training, device)
    calibration = calibrate(predictions, rows, problem.labels, training.calibration)
    return calibration.apply(predictions, rows.duration_s)


def _value(metric: Metric, fitted: Fitted, rows: ValidationRows, score_B: Floats) -> float:
    if metric == "watch_loss":
        return _watch_loss(fitted.curves[fitted.best_epoch - 1])
    if metric == "xauc":
        return xauc(rows.watch_s, score_B).value
    return xgauc(rows.watch_s, score_B, encode_groups(rows.user)).value


def ignore(epoch: int, value: float) -> None:
    """Observe nothing."""
