"""Who watched what, as fits of vectors read it, and what each user had watched before.

Shapes: U users, V videos, P watched pairs, N rows, R some of them, C numbers of a
content vector, B examples, H past videos.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Content = NDArray[np.float32]
NONE = -1
"""Code of a user or video that is not known, and of an empty place of a list."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Rows of the fit days by codes, watched or not, ascending by user, time and video.

    Attributes:
        user_N: user of every row.
        video_N: its video.
        watched_N: whether it was watched.
    """

    user_N: Ids
    video_N: Ids
    watched_N: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Watched:
    """Watched pairs by codes: places among the identifiers.

    Attributes:
        user_P: user of every pair that was watched, each pair once, ascending by user and video.
        video_P: its video.
        time_P: when that user watched it first, ms.
        user_id_U: identifiers of users, those without a pair included.
        video_id_V: identifiers of videos, those without a pair included.
        content_VC: content of every video, NaN where it has none; None where none is known of any.
        shown: the rows that the pairs are of, and those that were not watched; None where nothing asks for them.
    """

    user_P: Ids
    video_P: Ids
    time_P: Ids
    user_id_U: Ids
    video_id_V: Ids
    content_VC: Content | None = field(default=None, kw_only=True)
    shown: Shown | None = field(default=None, kw_only=True)

    @property
    def num_users(self) -> int:
        """U."""
        return self.user_id_U.size

    @property
    def num_videos(self) -> int:
        """V."""
        return self.video_id_V.size

    def without(self, row_R: Ids) -> Self:
        """Return the watches without those pairs that some rows are of.

        Args:
            row_R: places in `shown`.
        """
        assert self.shown is not None
        pair_P, pair_R = (
            user * self.num_videos + video
            for user, video in (
                (self.user_P, self.video_P),
                (self.shown.user_N[row_R], self.shown.video_N[row_R]),
            )
        )
        return self.of_pairs(~np.isin(pair_P, pair_R))

    def of_pairs(self, kept_P: NDArray[np.bool_]) -> Self:
        """Return the watches of some pairs; users and videos stay."""
        return replace(self, **{name: getattr(self, name)[kept_P] for name in ("user_P", "video_P", "time_P")})


def past_of_users(watched: Watched, most: int) -> Ids:
    """Return the videos that each user watched last, oldest first, at the end of the row; `NONE` before them, [U, H]."""
    past_UH = np.full((watched.num_users, most), NONE)
    for user, video in _lines(watched):
        kept = video[-most:]
        past_UH[user, most - kept.size :] = kept
    return past_UH


def examples(watched: Watched, most: int) -> tuple[Ids, Ids]:
    """Return what users had watched and what they watched next, of every watch but a user's first: [B, H] and [B]."""
    pasts, nexts = [np.empty((0, most), dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for _, video in _lines(watched):
        padded = np.concatenate([np.full(most, NONE), video])
        pasts.append(np.lib.stride_tricks.sliding_window_view(padded, most)[1:-1])
        nexts.append(video[1:])
    return np.concatenate(pasts), np.concatenate(nexts)


def _lines(watched: Watched) -> Iterator[tuple[int, Ids]]:
    """Yield every user with a watch, and the videos watched, oldest first."""
    order_P = np.lexsort((watched.video_P, watched.time_P, watched.user_P))
    users, first = np.unique(watched.user_P[order_P], return_index=True)
    yield from zip(users.tolist(), np.split(watched.video_P[order_P], first[1:]), strict=True)
