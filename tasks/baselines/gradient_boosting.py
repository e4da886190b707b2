"""LightGBM on the same point-in-time features the recipes see: what a user would pick instead of a neural network.

The score comes from trees that minimise an absolute error: of seconds, or of the watch time's percentile among fit rows
of the same duration bucket, read back in seconds. The mean comes from trees that minimise the squared error in seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.baselines.base import Baseline
from tasks.baselines.buckets import DurationBuckets
from tasks.baselines.config import BaselineConfig
from tasks.baselines.rows import BASE_COLUMNS, Examples, Floats
from tasks.baselines.trees import TreeTrainer
from tasks.core.predictions import probability
from tasks.evaluate.role import refuse_judge
from tasks.table.rows import dense_matrix, seconds
from tasks.table.source import FeatureFolder
from tasks.table.vocabulary import LevelCounter, Vocabulary

if TYPE_CHECKING:
    from lightgbm import Booster


CODES = ("scene", "day_of_week")
"""Numeric columns without an order: a weekday that the fit days lack is an unknown level, not the end of a scale."""


@dataclass(frozen=True)
class FeatureMatrix:
    """How feature rows become the columns of a matrix: numbers as they are, small fields as level codes.

    Attributes:
        numbers: numeric columns.
        fields: vocabularies of the categorical columns, after the numeric ones.
    """

    numbers: tuple[str, ...]
    fields: tuple[Vocabulary, ...]

    @classmethod
    def fit(cls, examples: Examples, columns: tuple[str, ...], max_categories: int) -> Self:
        """Sort columns into numbers and small fields; fields with more levels on these rows are left out."""
        levels = [name for name in columns if name in CODES or not examples.frame[name].dtype.is_numeric()]
        counters = []
        for name in levels:
            counter = LevelCounter(name)
            counter.add(examples.frame[name])
            counters.append(counter.vocabulary(min_count=1))
        fields = tuple(vocabulary for vocabulary in counters if vocabulary.size <= max_categories + 1)
        numbers = tuple(name for name in columns if name not in levels)
        return cls(numbers, fields)

    def build(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """Return the matrix; missing numbers are NaN, unknown levels 0."""
        matrix = np.empty((frame.height, len(self.numbers) + len(self.fields)), dtype=np.float32)
        for column, name in enumerate(self.numbers):
            matrix[:, column] = dense_matrix(frame, [name])[:, 0]
        for column, vocabulary in enumerate(self.fields, start=len(self.numbers)):
            matrix[:, column] = vocabulary.encode(frame[vocabulary.field])
        return matrix

    @property
    def names(self) -> list[str]:
        """Column names."""
        return [*self.numbers, *(vocabulary.field for vocabulary in self.fields)]

    @property
    def categorical(self) -> list[int]:
        """Positions of the level codes."""
        return list(range(len(self.numbers), len(self.numbers) + len(self.fields)))


@dataclass(frozen=True, eq=False)
class GradientBoosting(Baseline):
    """Boosted trees for the score, the mean and the main binary tasks."""

    matrix: FeatureMatrix
    buckets: DurationBuckets | None
    boosters: "Mapping[str, Booster]"
    num_threads: int
    bounded: bool

    @classmethod
    def features(cls, source: FeatureFolder, config: BaselineConfig) -> tuple[str, ...]:
        """Return every feature but raw ids."""
        ids = ("user_id", "video_id", "author_id", "music_id")
        return tuple(dict.fromkeys([*source.dense, *(name for name in source.categorical if name not in ids)]))

    @classmethod
    def max_fit_rows(cls, config: BaselineConfig) -> int | None:
        """Return the configured bound."""
        return config.lightgbm.max_fit_rows

    @classmethod
    def fit(cls, fit: Examples, validation: Examples, config: BaselineConfig) -> Self:
        """Fit one set of trees per target; the validation rows stop each.

        Raises:
            RoleError: if rows of the judge day are given to fit or stop on.
        """
        for examples in (fit, validation):
            refuse_judge(examples.role, "LightGBM's fit")
        columns = tuple(name for name in fit.frame.columns if name not in BASE_COLUMNS)
        matrix = FeatureMatrix.fit(fit, columns, config.lightgbm.max_categories)
        buckets = DurationBuckets.fit(fit.watch_s, fit.duration_s, config.duration_groups)
        pair = (fit, validation)
        trainer = TreeTrainer(matrix.build(fit.frame), matrix.build(validation.frame), matrix.categorical, config)
        by_percentile = config.lightgbm.score_label == "duration_percentile"
        targets = [
            buckets.percentile(rows.watch_s, rows.duration_s) if by_percentile else rows.watch_s for rows in pair
        ]
        boosters = {"score": trainer.train("regression_l1", *targets)}
        if config.lightgbm.predict_mean:
            boosters["mean"] = trainer.train("regression", *(rows.watch_s for rows in pair))
        for task in config.lightgbm.tasks:
            labels = [rows.label(task) for rows in pair]
            if 0 < labels[0].mean() < 1:
                boosters[probability(task)] = trainer.train("binary", *labels)
        return cls(matrix, buckets if by_percentile else None, boosters, config.num_threads, fit.truncate_watch)

    def predict(self, frame: pl.DataFrame, where: str) -> dict[str, Floats]:
        """Return the predictions of every set of trees; the score in seconds."""
        duration_s, matrix = seconds(frame, where), self.matrix.build(frame)
        found = {
            name: np.asarray(booster.predict(matrix, num_threads=self.num_threads), np.float64)
            for name, booster in self.boosters.items()
        }
        if self.buckets is not None:
            found["score"] = self.buckets.decode(np.clip(found["score"], 0, 1), duration_s)
        if "mean" in found:
            found["mean"] = np.clip(found["mean"], 0, duration_s if self.bounded else None)
        return found

    def about(self) -> Mapping[str, Any]:
        """Return the trees per target and the most important features."""
        gain = self.boosters["score"].feature_importance("gain")
        order = np.argsort(-gain, kind="stable")[:20]
        return {
            "trees": {name: booster.num_trees() for name, booster in self.boosters.items()},
            "features": len(self.matrix.names),
            "most_important": [self.matrix.names[i] for i in order],
        }
