"""What can serve: from feature rows to calibrated predictions, be it one fitted recipe or several together."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.predictions import MEAN, MEAN_UNIFORM, MEDIAN, SCORE, probability
from tasks.table.past import Past
from tasks.train.calibrate import Calibration
from tasks.train.manifest import BundleManifest

Floats = NDArray[np.float64]
Predictions = dict[str, Floats]
Encoded = TypeVar("Encoded")
"""Rows as one kind of model reads them."""


@dataclass(frozen=True)
class Model(ABC, Generic[Encoded]):
    """A model of a bundle, ready to predict on the CPU.

    Attributes:
        manifest: what of manifest.json serving reads.
        calibrations: seed -> calibrators.
    """

    manifest: BundleManifest
    calibrations: dict[int, Calibration]

    @property
    def serving_seed(self) -> int:
        """The seed that did best on the validation day, whose predictions are served."""
        return self.manifest.serving_seed

    @property
    def why_not_uniform(self) -> str | None:
        """Why the serving seed knows no seconds under uniform exposure; None: it does."""
        uniform = self.calibrations[self.serving_seed].mean.uniform
        return "it was calibrated before rows exposed at random were asked" if uniform is None else uniform.refused

    @property
    @abstractmethod
    def seeds(self) -> tuple[int, ...]:
        """Seeds that can predict."""

    @property
    @abstractmethod
    def tasks(self) -> tuple[str, ...]:
        """Binary tasks the model predicts; frozen ones are absent."""

    @abstractmethod
    def sign(self, task: str) -> int:
        """Return 1 if a task of `tasks` raises a fused score, -1 if it lowers it."""

    @property
    @abstractmethod
    def row_columns(self) -> tuple[str, ...]:
        """Feature columns that `encode` reads."""

    @property
    @abstractmethod
    def history_columns(self) -> tuple[str, ...]:
        """Columns of past events that `encode` reads."""

    @property
    @abstractmethod
    def truncate_watch(self) -> bool:
        """Whether the label was min(play, duration)."""

    @abstractmethod
    def encode(self, frame: pl.DataFrame, past: Past, where: str) -> Encoded:
        """Return feature rows as the model's inputs; arguments as in `predict`."""

    @abstractmethod
    def duration_s(self, rows: Encoded) -> Floats:
        """Return the durations of encoded rows in seconds, [rows]."""

    @abstractmethod
    def predict_raw(self, rows: Encoded, seed: int) -> Predictions:
        """Return scores (`score`, `score_<name>`), `mean` and `median` where there are any, and `p_<task>`: what
        `Calibration.apply` reads."""

    def predict_encoded(self, rows: Encoded, seed: int) -> Predictions:
        """Return calibrated predictions of encoded rows."""
        return self.calibrations[seed].apply(self.predict_raw(rows, seed), self.duration_s(rows))

    def outputs(self, seed: int) -> tuple[str, ...]:
        """Return the names of what `predict` returns of a seed."""
        uniform = (MEAN_UNIFORM,) if self.calibrations[seed].mean.knows_uniform else ()
        return (SCORE, MEAN, MEDIAN, *uniform, *map(probability, self.tasks))

    def predict(self, frame: pl.DataFrame, past: Past, where: str, seed: int | None = None) -> Predictions:
        """Return `score`, `watch_mean`, `watch_median` (seconds), one `p_<task>` per binary task, and
        `watch_mean_uniform` where it is known, float64 [rows].

        Args:
            frame: feature rows; hold only as many as fit in memory, the forward pass takes them in parts.
            past: what users did (`FeatureFolder.past`); unused by recipes without.
            where: where the rows came from, for messages.
            seed: whose predictions; None: the serving seed.

        Raises:
            ContractError: if a column that the model was trained with is missing.
        """
        rows = self.encode(frame, past, where)
        return self.predict_encoded(rows, self.serving_seed if seed is None else seed)
