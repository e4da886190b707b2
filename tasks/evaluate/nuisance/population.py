"""The rows of a judge day beside what a uniform draw would have shown in their place.

A row of the log has an outcome. For each, videos of the day are drawn uniformly and shown, in thought, to the same user at the
same hour and scene: rows without an outcome, whose mean is what uniform exposure would give.

Shapes: B logged rows, K draws for each, N = B + K B, F columns.
"""

from dataclasses import dataclass

import numpy as np

from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.evaluate.nuisance.grid import PartlyObserved
from tasks.evaluate.table import PredictionTable

_DRAWS = 7
"""Stream of the evaluation's seed that the drawn videos come from."""


@dataclass(frozen=True, eq=False)
class UniformDraws:
    """Logged rows, and the same contexts with videos drawn uniformly.

    Attributes:
        logged_B: numbers of the logged rows in the table.
        input_NF: columns of the logged rows, then of the draws.
        units: user of each row.
        draws: K.
        videos: how many are drawn from.
    """

    logged_B: IntArray
    input_NF: FloatArray
    units: Groups
    draws: int
    videos: int

    @classmethod
    def of(cls, table: PredictionTable, draws: int, seed: int) -> "UniformDraws":
        """Draw for every logged row of a table that has some.

        Args:
            table: the judge day.
            draws: K.
            seed: of the draws.
        """
        logged_B = np.flatnonzero(table.logged)
        of_context_BF = context_columns(table)[logged_B]
        _, first_V = np.unique(table.frame["video_id"].to_numpy(), return_index=True)
        by_video = video_columns(table)
        generator = np.random.default_rng([seed, _DRAWS])
        drawn_D = first_V[generator.integers(0, first_V.size, draws * logged_B.size)]
        video_NF = np.concatenate([by_video[logged_B], by_video[drawn_D]])
        context_NF = np.concatenate([of_context_BF, np.tile(of_context_BF, (draws, 1))])
        units = Groups(np.tile(table.user[logged_B], draws + 1), table.num_users)
        return cls(logged_B, np.concatenate([video_NF, context_NF], axis=1), units, draws, first_V.size)

    def with_outcome(self, outcome_B: FloatArray) -> PartlyObserved:
        """Return the rows with the outcome of the logged ones.

        Args:
            outcome_B: of every row of the table.
        """
        rows = self.logged_B.size
        drawn = self.draws * rows
        return PartlyObserved(
            self.input_NF,
            np.arange(rows + drawn) < rows,
            np.concatenate([outcome_B[self.logged_B], np.zeros(drawn)]),
            np.concatenate([np.ones(rows), np.full(drawn, 1 / self.draws)]),
            self.units,
            "unobserved",
        )


def video_columns(table: PredictionTable) -> FloatArray:
    """Return what a row's video is known by before it is shown: length, popularity, whether it is new."""
    return np.stack(
        [np.log1p(table.duration), np.log1p(table.popularity), table.segment("is_new_video").astype(np.float64)], axis=1
    )


def context_columns(table: PredictionTable) -> FloatArray:
    """Return what a row's request is known by: hour, whether the user is new, and one column per scene but the first."""
    angle_B = 2 * np.pi * table.segment("hour") / 24
    scene_B = table.segment("scene")
    scenes = [(scene_B == scene).astype(np.float64) for scene in np.unique(scene_B)[1:]]
    known = [np.sin(angle_B), np.cos(angle_B), table.segment("is_new_user").astype(np.float64), *scenes]
    return np.stack(known, axis=1)
