"""The rows metrics are computed on: labels, groups and one seed's predictions as arrays that can be cut to a segment.

Shapes: B rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tasks.evaluate.metrics.groups import Groups, encode_groups, user_days
from tasks.evaluate.metrics.inputs import Array, FloatArray, IntArray
from tasks.evaluate.metrics.ranked_lists import tie_hash
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.table import PredictionTable


@dataclass(frozen=True, eq=False)
class Rows:
    """What was observed.

    Attributes:
        watch_B: watched seconds.
        duration_B: seconds.
        users: user of each row.
        days: local day of each row, that of the partition it came with; its features are of that morning, or frozen.
        units: bootstrap unit of each row.
        videos: video of each row.
        duration_groups: duration decile of each row.
        tie_B: order of rows with equal score, a hash of their key.
        labels: binary task -> 0/1.
        frozen: whether the features of all rows are of one morning, be it that of their only day.
    """

    watch_B: FloatArray
    duration_B: FloatArray
    users: Groups
    days: Groups
    units: Groups
    videos: Groups
    duration_groups: Groups
    tie_B: Array
    labels: Mapping[str, IntArray]
    frozen: bool = False

    def __len__(self) -> int:
        return self.watch_B.size

    @cached_property
    def user_days(self) -> Groups:
        """Day of a user that each row belongs to."""
        return user_days(self.users, self.days)

    @property
    def num_users(self) -> int:
        """Distinct users among these rows."""
        return int((self.users.rows() > 0).sum())

    def take(self, index: IntArray) -> "Rows":
        """Return some rows; codes stay the same, so that one set of user weights fits."""
        return Rows(
            self.watch_B[index],
            self.duration_B[index],
            self.users.subset(index),
            self.days.subset(index),
            self.units.subset(index),
            self.videos.subset(index),
            self.duration_groups.subset(index),
            self.tie_B[index],
            {task: label_B[index] for task, label_B in self.labels.items()},
            self.frozen,
        )


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one seed of a model predicted for the same rows.

    Attributes:
        score_B: ranking score.
        mean_B: expected seconds.
        median_B: median seconds.
        probability: binary task -> probability.
    """

    score_B: FloatArray
    mean_B: FloatArray
    median_B: FloatArray
    probability: Mapping[str, FloatArray]
    uniform_mean_B: FloatArray | None = None

    def take(self, index: IntArray) -> "Predictions":
        """Return some rows."""
        return replace(
            self,
            uniform_mean_B=None if self.uniform_mean_B is None else self.uniform_mean_B[index],
            score_B=self.score_B[index],
            mean_B=self.mean_B[index],
            median_B=self.median_B[index],
            probability={task: value[index] for task, value in self.probability.items()},
        )


def observed(
    table: PredictionTable,
    duration_groups: Groups,
    resampler: Resampler,
    labels: tuple[str, ...],
    seed: int,
    frozen: bool = False,
) -> Rows:
    """Return all rows of a table.

    Args:
        table: the prediction table.
        duration_groups: duration decile of each row.
        resampler: made for the table's users.
        labels: labels to read.
        seed: of the tie-breaking hash.
        frozen: whether the features of several days are of the morning of the first; one day's always are.
    """
    users, days = Groups(table.user, table.num_users), encode_groups(table.frame["day"].to_numpy())
    keys = [table.frame[name].to_numpy() for name in ("user_id", "video_id", "event_time_ms")]
    return Rows(
        table.y,
        table.duration,
        users,
        days,
        resampler.units(users),
        encode_groups(keys[1]),
        duration_groups,
        tie_hash(keys[0], keys[1], keys[2], seed),
        {task: table.label(task) for task in labels},
        frozen or days.num_groups == 1,
    )


def predicted(table: PredictionTable, seed: int, tasks: tuple[str, ...]) -> Predictions:
    """Return one seed's predictions for all rows of a table."""
    return Predictions(
        table.score(seed),
        table.watch_mean(seed),
        table.watch_median(seed),
        {task: table.probability(task, seed) for task in tasks},
        table.watch_mean_uniform(seed),
    )


def logged_rows(table: PredictionTable) -> IntArray:
    """Return the numbers of the rows that metrics are about: randomly exposed ones only where there are no others."""
    logged = np.flatnonzero(table.logged)
    return logged if logged.size else np.arange(len(table))
