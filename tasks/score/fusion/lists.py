"""Users' days as lists: what a ranking of one day's rows is worth.

Shapes: B rows, U users.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tasks.core.contract import KEY
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import Array, FloatArray, IntArray
from tasks.evaluate.metrics.lists import mean_at_k
from tasks.evaluate.metrics.ranked_lists import rank_lists, tie_hash
from tasks.evaluate.metrics.uncertainty import Statistic
from tasks.evaluate.role import Role
from tasks.evaluate.table import PredictionTable
from tasks.score.fusion.config import FusionConfig

LABELS = ("long_view", "skip")


@dataclass(frozen=True, eq=False)
class DayLists:
    """The rows of one day, a list per user.

    Attributes:
        users: user of each row.
        tie_B: order of rows with equal scores, a hash of their key.
        watch_B: watched seconds.
        labels: long_view and skip, 0/1 [B] each.
        score_B: the model's ranking score.
        mean_B: calibrated mean, seconds.
        duration_B: seconds.
        probability: binary task -> [B].
        role: of the day; those of a judge day fit nothing.
    """

    users: Groups
    tie_B: Array
    watch_B: FloatArray
    labels: Mapping[str, IntArray]
    score_B: FloatArray
    mean_B: FloatArray
    duration_B: FloatArray
    probability: Mapping[str, FloatArray]
    role: Role

    @classmethod
    def of(cls, table: PredictionTable, seed: int, tasks: tuple[str, ...], tie_seed: int) -> "DayLists":
        """Read one seed's predictions of a table."""
        user_id, video_id, time_ms = (table.frame[name].to_numpy() for name in KEY)
        return cls(
            Groups(table.user, table.num_users),
            tie_hash(user_id, video_id, time_ms, tie_seed),
            table.y,
            {name: table.label(name) for name in LABELS},
            table.score(seed),
            table.watch_mean(seed),
            table.duration,
            {task: table.probability(task, seed) for task in tasks},
            table.role,
        )

    def __len__(self) -> int:
        return self.watch_B.size

    def take(self, index: IntArray) -> "DayLists":
        """Return some rows; users keep their codes."""
        return DayLists(
            self.users.subset(index),
            self.tie_B[index],
            self.watch_B[index],
            {name: label_B[index] for name, label_B in self.labels.items()},
            self.score_B[index],
            self.mean_B[index],
            self.duration_B[index],
            {task: value_B[index] for task, value_B in self.probability.items()},
            self.role,
        )

    def some_users(self, rows: int, seed: int) -> "DayLists":
        """Return the rows of users drawn at random, as many as fit into `rows`; all where they fit."""
        if len(self) <= rows:
            return self
        order_U = np.random.default_rng(seed).permutation(self.users.num_groups)
        fits_U = np.cumsum(self.users.rows()[order_U]) <= rows
        chosen_U = np.zeros(self.users.num_groups, dtype=bool)
        chosen_U[order_U[fits_U]] = True
        return self.take(np.flatnonzero(chosen_U[self.users.code_B]))

    def worth(self, config: FusionConfig, skip: float) -> FloatArray:
        """Return what showing each row was worth: watched seconds + lambda_1 long view - lambda_2 skip, [B].

        Args:
            config: lambda_1.
            skip: lambda_2.
        """
        worth_B: FloatArray = self.watch_B + config.long_view * self.labels["long_view"] - skip * self.labels["skip"]
        return worth_B

    def utilities(self, ranking_B: FloatArray, worth_B: FloatArray, k: int) -> FloatArray:
        """Return WT@k + lambda_1 long_view@k - lambda_2 skip@k of every user's list: the mean worth of its top k.

        Only users with rows count, [U'].
        """
        found = mean_at_k(rank_lists(self.users, ranking_B, self.tie_B), worth_B, k)
        return found.numerator_U[found.denominator_U > 0]

    def statistics(self, ranking_B: FloatArray, k: int) -> dict[str, Statistic]:
        """Return `wt@k`, `long_view@k` and `skip@k` of a ranking."""
        ranked = rank_lists(self.users, ranking_B, self.tie_B)
        found: dict[str, Statistic] = {f"wt@{k}": mean_at_k(ranked, self.watch_B, k)}
        return found | {f"{name}@{k}": mean_at_k(ranked, self.labels[name], k) for name in LABELS}
