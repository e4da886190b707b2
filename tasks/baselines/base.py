"""The one interface of every baseline but the trees, which are a recipe: fit on fit days, predict anything."""

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import polars as pl

from tasks.baselines.config import BaselineConfig
from tasks.baselines.rows import Examples, Floats


class Baseline(ABC):
    """A predictor of watch time that needs no neural network."""

    calibrated: ClassVar[bool] = True
    """Whether its seconds come from calibrators fitted on the validation day, as those of the recipes do."""

    @classmethod
    @abstractmethod
    def fit(cls, fit: Examples, validation: Examples, config: BaselineConfig) -> Self:
        """Fit on fit rows; the validation rows may stop it early, and nothing else."""

    @abstractmethod
    def predict(self, frame: pl.DataFrame, where: str) -> dict[str, Floats]:
        """Return `score`, `mean` and `median` in seconds where it has them, and `p_<task>` of binary tasks, [rows]."""
