"""Equal-count groups of duration and popularity: where their edges come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.metrics.calibration import assign_bins, quantile_edges
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.table import PredictionTable


@dataclass(frozen=True, eq=False)
class BinEdges:
    """Inner edges of the equal-count groups.

    Attributes:
        duration_s: of duration.
        popularity: of the popularity a video had before the day.
    """

    duration_s: FloatArray
    popularity: FloatArray

    @classmethod
    def of(
        cls, table: PredictionTable, config: EvaluationConfig, duration_edges_s: Sequence[float] | None = None
    ) -> "BinEdges":
        """Return edges from rows known before the outcome: duration and popularity are not outcomes.

        Args:
            table: rows whose quantiles serve as edges: those of an earlier day where there is one.
            config: how many groups.
            duration_edges_s: duration edges of the fit days; they take precedence.
        """
        given = duration_edges_s is not None
        duration = (
            np.asarray(duration_edges_s, np.float64)
            if given
            else quantile_edges(table.duration, config.duration_groups)
        )
        return cls(duration, quantile_edges(table.popularity, config.duration_groups))

    def duration_groups(self, table: PredictionTable) -> Groups:
        """Return the duration group of every row."""
        return assign_bins(table.duration, self.duration_s)

    def popularity_groups(self, table: PredictionTable) -> Groups:
        """Return the popularity group of every row."""
        return assign_bins(table.popularity, self.popularity)


def range_names(edges: FloatArray, unit: str = "") -> list[str]:
    """Return a name per group: "< 5.2 s", "5.2-8 s", ">= 8 s"."""
    if not edges.size:
        return ["all"]
    shown = [f"{edge:.4g}" for edge in edges]
    between = [f"{low}-{high}{unit}" for low, high in pairwise(shown)]
    return [f"< {shown[0]}{unit}", *between, f">= {shown[-1]}{unit}"]
