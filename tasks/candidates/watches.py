"""What proposers learn from, whom they propose to, and what those went on to watch: codes of users and videos.

Shapes: U users and V videos of the fit days, P pairs, N users that are proposed to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tasks.core.errors import TrainingError
from tasks.table.training_table import TrainingTable

Ids = NDArray[np.int64]
Flags = NDArray[np.bool_]
NONE = -1
"""Code of a user or video that the fit days do not know, and of an empty place of a list."""


@dataclass(frozen=True, eq=False)
class Watches:
    """Who watched what on the fit days.

    Attributes:
        user_id_U: users with a row of the fit days, ascending.
        video_id_V: the catalogue: videos with such a row, those watched by most users first, of equal ones the smaller identifier.
            A code says how popular a video is: of equal scores the smaller one comes first.
        user_P: user of every pair that was watched, each pair once, ascending by user and video.
        video_P: its video.
        time_P: when that user watched it first, ms.
    """

    user_id_U: Ids
    video_id_V: Ids
    user_P: Ids
    video_P: Ids
    time_P: Ids

    @classmethod
    def of(cls, user_id_B: Ids, video_id_B: Ids, watched_B: Flags, time_B: Ids, servable: Ids) -> Self:
        """Return the watches of some rows.

        Args:
            user_id_B: user of each row.
            video_id_B: its video.
            watched_B: whether it was watched.
            time_B: when, ms.
            servable: videos that can be scored; others are never proposed.

        Raises:
            TrainingError: if no video of the rows can be scored, or none was watched.
        """
        user_id_U, videos = np.unique(user_id_B), np.intersect1d(video_id_B, servable)
        if not videos.size:
            raise TrainingError(
                "candidates: no video of the fit days has a known duration: there is nothing to propose"
            )
        kept_B = watched_B & np.isin(video_id_B, videos)
        if not kept_B.any():
            raise TrainingError("candidates: nothing was watched on the fit days: choose another candidates.watched")
        user_B = np.searchsorted(user_id_U, user_id_B[kept_B])
        video_B = np.searchsorted(videos, video_id_B[kept_B])
        watchers_V = np.bincount(_pairs(user_B, video_B)[1], minlength=videos.size)
        order_V = np.lexsort((videos, -watchers_V))
        code_V = np.empty_like(order_V)
        code_V[order_V] = np.arange(videos.size)
        order_B = np.argsort(time_B[kept_B], kind="stable")
        pairs = np.stack([user_B, code_V[video_B]], axis=1)[order_B]
        first, place = np.unique(pairs, axis=0, return_index=True)
        return cls(user_id_U, videos[order_V], first[:, 0], first[:, 1], time_B[kept_B][order_B][place])

    @classmethod
    def of_table(cls, table: TrainingTable, watched: str, servable: Ids) -> Self:
        """Return the watches of the fit days of a table; errors are those of `of`."""
        return cls.of(*rows(table, ("fit",), watched), np.asarray(table.column("fit", "event_time_ms")), servable)

    @property
    def num_users(self) -> int:
        """U."""
        return self.user_id_U.size

    @property
    def num_videos(self) -> int:
        """V."""
        return self.video_id_V.size

    @cached_property
    def matrix(self) -> Any:
        """1 where a user watched a video, sparse [U, V]."""
        ones = np.ones(self.user_P.size)
        return sparse.csr_array((ones, (self.user_P, self.video_P)), shape=(self.num_users, self.num_videos))

    @cached_property
    def watchers(self) -> Ids:
        """Users who watched each video."""
        return np.bincount(self.video_P, minlength=self.num_videos)

    def users(self, user_id_N: Ids) -> Ids:
        """Return the codes of users, `NONE` where the fit days do not know them."""
        return _codes(user_id_N, self.user_id_U, np.arange(self.num_users))

    def videos(self, video_id_N: Ids) -> Ids:
        """Return the codes of videos, `NONE` where they are not in the catalogue."""
        return _codes(video_id_N, *self._by_id)

    @cached_property
    def _by_id(self) -> tuple[Ids, Ids]:
        order_V = np.argsort(self.video_id_V)
        return self.video_id_V[order_V], order_V


@dataclass(frozen=True, eq=False)
class Audience:
    """Users who are proposed to, and what they were shown, which is not proposed again.

    Attributes:
        user_id_N: identifiers, ascending.
        user_N: their codes; `NONE`: unknown to the fit days.
        first_N: place of each user's first entry in `shown`, and of the end as one more, [N + 1].
        shown: codes of videos, user by user.
    """

    user_id_N: Ids
    user_N: Ids
    first_N: Ids
    shown: Ids

    @classmethod
    def of(cls, watches: Watches, user_id_N: Ids, user_id_B: Ids, video_id_B: Ids) -> Self:
        """Return an audience.

        Args:
            watches: codes of users and videos.
            user_id_N: who is proposed to, ascending.
            user_id_B: user of each row that was shown, of any users.
            video_id_B: its video.
        """
        row_B, video_B = _codes(user_id_B, user_id_N, np.arange(user_id_N.size)), watches.videos(video_id_B)
        kept_B = (row_B != NONE) & (video_B != NONE)
        row_P, video_P = _pairs(row_B[kept_B], video_B[kept_B])
        return cls(user_id_N, watches.users(user_id_N), np.searchsorted(row_P, np.arange(user_id_N.size + 1)), video_P)

    def __len__(self) -> int:
        return self.user_id_N.size

    def part(self, begin: int, end: int) -> "Audience":
        """Return the users from one place to another."""
        first_N = self.first_N[begin : min(end, len(self)) + 1]
        shown = self.shown[first_N[0] : first_N[-1]]
        return Audience(self.user_id_N[begin:end], self.user_N[begin:end], first_N - first_N[0], shown)

    @property
    def shown_row(self) -> Ids:
        """Place of the user of each entry of `shown`."""
        return np.repeat(np.arange(len(self)), np.diff(self.first_N))


@dataclass(frozen=True, eq=False)
class Later:
    """What users watched on a later day, that they had not been shown before.

    Attributes:
        audience: users with at least one such video.
        row_P: place in the audience of each pair.
        video_P: its video's code; `NONE` where it is not in the catalogue. Such a pair counts all the same: nobody could have
            proposed it, and a night that leaves it out flatters itself.
        shown_again: pairs left out, since the user had been shown the video before.
    """

    audience: Audience
    row_P: Ids
    video_P: Ids
    shown_again: int

    @classmethod
    def of(cls, watches: Watches, table: TrainingTable, watched: str, day: str, before: Sequence[str]) -> Self:
        """Return what was watched on one split's days, among the rows that the product's own policy exposed.

        Args:
            watches: codes of users and videos.
            table: the night's.
            watched: binary label of a watch.
            day: split, "validation" or "judge".
            before: splits whose rows were shown before.
        """
        user_id_B, video_id_B, watched_B = rows(table, (day,), watched)
        watched_B = watched_B & ~np.asarray(table.column(day, "random"))
        pairs = np.unique(np.stack([user_id_B[watched_B], video_id_B[watched_B]], axis=1), axis=0)
        shown_user, shown_video, _ = rows(table, before, watched)
        again_P = _is_among(pairs, np.stack([shown_user, shown_video], axis=1))
        user_id_P, video_id_P = pairs[~again_P].T
        user_id_N, row_P = np.unique(user_id_P, return_inverse=True)
        audience = Audience.of(watches, user_id_N, shown_user, shown_video)
        return cls(audience, row_P, watches.videos(video_id_P), int(again_P.sum()))

    def of_some(self, most: int) -> "Later":
        """Return the watches of at most so many of the users, drawn with a fixed seed."""
        audience = self.audience
        if len(audience) <= most:
            return self
        kept = np.sort(np.random.default_rng(0).choice(len(audience), most, replace=False))
        shown = np.isin(audience.shown_row, kept)
        first = np.searchsorted(audience.shown_row[shown], np.append(kept, len(audience)))
        some = Audience(audience.user_id_N[kept], audience.user_N[kept], first, audience.shown[shown])
        theirs = np.isin(self.row_P, kept)
        return Later(some, np.searchsorted(kept, self.row_P[theirs]), self.video_P[theirs], self.shown_again)


def rows(table: TrainingTable, splits: Sequence[str], watched: str) -> tuple[Ids, Ids, Flags]:
    """Return user, video and whether it was watched of every row of some splits."""
    label = table.tasks.index(watched)
    parts = [
        (table.column(split, "user_id"), table.column(split, "video_id"), table.column(split, "labels")[:, label] == 1)
        for split in splits
    ]
    user, video, flag = (np.concatenate(column) for column in zip(*parts, strict=True))
    return user, video, flag


def _pairs(first_B: Ids, second_B: Ids) -> tuple[Ids, Ids]:
    """Return the pairs that differ, ascending."""
    pairs = np.unique(np.stack([first_B, second_B], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _codes(id_N: Ids, sorted_ids: Ids, codes: Ids) -> Ids:
    """Return the code that stands for each identifier, `NONE` for those that have none."""
    if not sorted_ids.size:
        return np.full(id_N.size, NONE)
    place_N = np.minimum(np.searchsorted(sorted_ids, id_N), sorted_ids.size - 1)
    return np.where(sorted_ids[place_N] == id_N, codes[place_N], NONE)


def _is_among(pairs: Ids, others: Ids) -> Flags:
    """Return which of some distinct pairs stand among others, [P]."""
    both, place = np.unique(np.concatenate([others, pairs]), axis=0, return_inverse=True)
    seen = np.zeros(len(both), dtype=np.bool_)
    seen[place[: len(others)]] = True
    found: Flags = seen[place[len(others) :]]
    return found
