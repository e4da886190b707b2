"""Group membership of rows as dense codes: encoded once, shared by all metrics, kept aligned on segments.

Shapes: B rows, U groups.
"""

from dataclasses import dataclass

import numpy as np

from tasks.evaluate.metrics.inputs import Array, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Groups:
    """Which group (user, video, duration decile) each row belongs to.

    Attributes:
        code_B: [B] codes in [0, num_groups).
        num_groups: U; groups without a row are allowed, as after `subset`.

    Raises:
        ValueError: If a code is out of range.
    """

    code_B: IntArray
    num_groups: int

    def __post_init__(self) -> None:
        if self.code_B.size and not 0 <= self.code_B.min() <= self.code_B.max() < self.num_groups:
            raise ValueError(
                f"group codes run from {self.code_B.min()} to {self.code_B.max()}, allowed is [0, {self.num_groups})"
            )

    def subset(self, rows_B: Array) -> "Groups":
        """Returns the membership of some rows with the codes unchanged, so that one set of user weights still fits.

        Args:
            rows_B: Boolean mask or row indices.
        """
        return Groups(self.code_B[rows_B], self.num_groups)

    def sum(self, values_B: Array) -> FloatArray:
        """Returns the [U] sums of a row column.

        Args:
            values_B: [B] numbers.

        Raises:
            ValueError: If there is not one value per row.
        """
        if values_B.shape != self.code_B.shape:
            raise ValueError(f"{values_B.size} values for {self.code_B.size} grouped rows")
        weight_B = values_B.astype(np.float64, copy=False)
        return np.bincount(self.code_B, weight_B, self.num_groups).astype(np.float64, copy=False)

    def rows(self) -> IntArray:
        """Returns the [U] row counts."""
        return np.bincount(self.code_B, minlength=self.num_groups).astype(np.int64, copy=False)


def user_days(users: Groups, days: Groups) -> Groups:
    """Returns the day of a user that each row belongs to: what order within a user is measured inside of.

    Rows of one day share one state of the features; rows of two do not, and the later state holds the earlier label
    (docs/methods/metrics.md#within-a-users-day). Group u * D + d is day d of user u, so that of one day (D = 1) the groups
    are the users, and `UserSums.of_users` adds a user's days up.

    Args:
        users: User of each row.
        days: Local day of each row.

    Raises:
        ValueError: If there is not one user and one day per row.
    """
    if users.code_B.shape != days.code_B.shape:
        raise ValueError(f"{users.code_B.size} users and {days.code_B.size} days: not one table")
    return Groups(users.code_B * days.num_groups + days.code_B, users.num_groups * days.num_groups)


def encode_groups(id_B: Array) -> Groups:
    """Returns dense group codes in the sorted order of the ids.

    Args:
        id_B: [B] ids of any sortable type.
    """
    unique_U, code_B = np.unique(id_B, return_inverse=True)
    return Groups(code_B.astype(np.int64, copy=False), unique_U.size)


def one_group(num_rows: int) -> Groups:
    """Returns the membership of a pooled metric: every row in the same group."""
    return Groups(np.zeros(num_rows, dtype=np.int64), 1)
