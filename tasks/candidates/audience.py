"""Whom proposers propose to, and what those went on to watch.

Shapes: N users that are proposed to, P pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from models.retrieval.watched import NONE, Ids
from tasks.table.training_table import TrainingTable
from tasks.table.watches import Flags, Watches, codes_of, distinct_pairs, rows


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
        row_B, video_B = codes_of(user_id_B, user_id_N, np.arange(user_id_N.size)), watches.videos(video_id_B)
        kept_B = (row_B != NONE) & (video_B != NONE)
        row_P, video_P = distinct_pairs(row_B[kept_B], video_B[kept_B])
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


def _is_among(pairs: Ids, others: Ids) -> Flags:
    """Return which of some distinct pairs stand among others, [P]."""
    both, place = np.unique(np.concatenate([others, pairs]), axis=0, return_inverse=True)
    seen = np.zeros(len(both), dtype=np.bool_)
    seen[place[: len(others)]] = True
    found: Flags = seen[place[len(others) :]]
    return found
