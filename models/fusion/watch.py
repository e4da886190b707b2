"""How watch time enters a fusion: on a scale without seconds (docs/methods/multi_task.md#score-fusion)."""

from abc import ABC, abstractmethod
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from models.fusion.base import Array
from models.fusion.rank_average import ReferenceScores


class WatchInput(BaseModel, ABC):
    """From a model's watch-time predictions to what a fusion reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @abstractmethod
    def __call__(self, score: Array, mean_s: Array, duration_s: Array) -> Array:
        """Return the input, [rows].

        Args:
            score: ranking score, [rows].
            mean_s: calibrated mean, seconds.
            duration_s: seconds.
        """


class PercentileInput(WatchInput):
    """The percentile of the ranking score in the reference day, in [0, 1]."""

    kind: Literal["percentile"] = "percentile"
    reference: ReferenceScores
    """Scores of the reference day."""

    def __call__(self, score: Array, mean_s: Array, duration_s: Array) -> Array:
        """Return percentiles."""
        return self.reference(score)


class RelativeMeanInput(WatchInput):
    """The calibrated mean over the mean of its duration group on the reference day: 1 is the usual watch."""

    kind: Literal["relative_mean"] = "relative_mean"
    edges_s: tuple[float, ...]
    """Inner edges of the duration groups, seconds."""
    means_s: tuple[float, ...]
    """Mean predicted seconds of each group; above 0."""

    @classmethod
    def fit(cls, mean_s: Array, duration_s: Array, groups: int) -> "RelativeMeanInput":
        """Take equal-count duration groups and their means of one day; a group without seconds takes the mean of all."""
        cuts = np.quantile(duration_s, np.linspace(0, 1, groups + 1)[1:-1])
        edges = np.unique(cuts[cuts > duration_s.min()])
        group = np.searchsorted(edges, duration_s, side="right")
        count = np.bincount(group, minlength=len(edges) + 1)
        total = np.bincount(group, mean_s, minlength=len(edges) + 1)
        overall = float(mean_s.mean()) or 1.0
        means = np.where(total > 0, total / np.maximum(count, 1), overall)
        return cls(edges_s=tuple(edges.tolist()), means_s=tuple(means.tolist()))

    def __call__(self, score: Array, mean_s: Array, duration_s: Array) -> Array:
        """Return relative means."""
        group = np.searchsorted(self.edges_s, duration_s, side="right")
        relative: Array = mean_s / np.array(self.means_s)[group]
        return relative


WatchInputs = Annotated[PercentileInput | RelativeMeanInput, Field(discriminator="kind")]
