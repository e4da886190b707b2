"""The constant: everybody watches the median (or the mean) of the fit days. The floor under every error in seconds."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from tasks.baselines.base import Baseline
from tasks.baselines.config import BaselineConfig
from tasks.baselines.rows import Examples, Floats
from tasks.core.labels import LABELS
from tasks.core.predictions import probability


@dataclass(frozen=True)
class Constant(Baseline):
    """One median, one mean, one rate per task; no order. Not calibrated: by duration it would be no constant."""

    calibrated = False
    mean_s: float
    median_s: float
    rates: dict[str, float]

    @classmethod
    def fit(cls, fit: Examples, validation: Examples, config: BaselineConfig) -> Self:
        """Take mean, median and rates of the fit rows."""
        rates: dict[str, float] = {task: float(fit.label(task).mean()) for task in LABELS}
        return cls(float(fit.watch_s.mean()), float(np.median(fit.watch_s)), rates)

    def predict(self, frame: pl.DataFrame, where: str) -> dict[str, Floats]:
        """Return the same numbers for every row."""
        values = {"score": 0.0, "mean": self.mean_s, "median": self.median_s}
        values |= {probability(task): rate for task, rate in self.rates.items()}
        return {name: np.full(frame.height, value) for name, value in values.items()}
