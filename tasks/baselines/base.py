"""The one interface of every baseline: fit on fit days, predict anything."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import polars as pl

from tasks.baselines.config import BaselineConfig
from tasks.baselines.rows import Examples, Floats
from tasks.table.source import FeatureFolder


class Baseline(ABC):
    """A predictor of watch time that needs no neural network."""

    calibrated: ClassVar[bool] = True
    """Whether its seconds come from calibrators fitted on the validation day, as those of the recipes do."""

    @classmethod
    def features(cls, source: FeatureFolder, config: BaselineConfig) -> tuple[str, ...]:
        """Return the feature columns it reads beside the base columns."""
        return ()

    @classmethod
    def max_fit_rows(cls, config: BaselineConfig) -> int | None:
        """Return how many fit rows it holds in memory at most; None: all."""
        return None

    @classmethod
    @abstractmethod
    def fit(cls, fit: Examples, validation: Examples, config: BaselineConfig) -> Self:
        """Fit on fit rows; the validation rows may stop it early, and nothing else."""

    @abstractmethod
    def predict(self, frame: pl.DataFrame, where: str) -> dict[str, Floats]:
        """Return `score`, `mean` and `median` in seconds where it has them, and `p_<task>` of binary tasks, [rows]."""

    def about(self) -> Mapping[str, Any]:
        """Return what a reader may want to know of the fit."""
        return {}
