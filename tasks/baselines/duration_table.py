"""The duration table: what videos of about this length are watched for, whoever watches."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from tasks.baselines.base import Baseline
from tasks.baselines.config import BaselineConfig
from tasks.baselines.rows import Examples, Floats
from tasks.core.labels import LABELS
from tasks.core.predictions import probability
from tasks.table.rows import seconds
from tasks.train.duration_buckets import DurationBuckets


@dataclass(frozen=True, eq=False)
class DurationTable(Baseline):
    """Median, mean and task rates per duration bucket; ranked by the median."""

    buckets: DurationBuckets
    mean_s: Floats
    median_s: Floats
    rates: dict[str, Floats]

    @classmethod
    def fit(cls, fit: Examples, validation: Examples, config: BaselineConfig) -> Self:
        """Fill the table from the fit rows."""
        buckets = DurationBuckets.fit(fit.watch_s, fit.duration_s, config.duration_groups)
        bucket_B = buckets.of(fit.duration_s)
        rows = np.bincount(bucket_B, minlength=buckets.num_buckets)
        rates: dict[str, Floats] = {
            task: np.bincount(bucket_B, weights=fit.label(task), minlength=buckets.num_buckets) / rows
            for task in LABELS
        }
        return cls(buckets, buckets.mean(), buckets.median(), rates)

    def predict(self, frame: pl.DataFrame, where: str) -> dict[str, Floats]:
        """Look every row's duration up."""
        bucket_B = self.buckets.of(seconds(frame, where))
        values = {"score": self.median_s, "mean": self.mean_s, "median": self.median_s}
        values |= {probability(task): rate for task, rate in self.rates.items()}
        return {name: table[bucket_B] for name, table in values.items()}
