"""Pairs of users and videos that a view of the graph of watches may hold: those that were watched, and for each user the nearest
others by content (docs/methods/retrieval.md#gacn).

Shapes: U users, V videos, C numbers of content, E edges.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models.retrieval.watched import Ids, Watched

_USERS_AT_A_TIME = 512


@dataclass(frozen=True, eq=False)
class CandidateEdges:
    """Pairs, user by user.

    Attributes:
        user_E: user of each, ascending.
        video_E: its video.
        observed_E: whether it was watched.
        num_users: U.
        num_videos: V.
    """

    user_E: Tensor
    video_E: Tensor
    observed_E: Tensor
    num_users: int
    num_videos: int

    @classmethod
    def of(cls, watched: Watched, neighbours: int) -> "CandidateEdges":
        """Return watched pairs, and for each user with one the videos nearest to the mean content of those watched.

        Args:
            watched: every watched video has content.
            neighbours: nearest videos of a user at most that were not watched.
        """
        near_user, near_video = _neighbours(watched, neighbours)
        user, video = (np.concatenate(pair) for pair in ((watched.user_P, near_user), (watched.video_P, near_video)))
        observed = np.arange(user.size) < watched.user_P.size
        order = np.lexsort((video, user))
        user_E, video_E, observed_E = (torch.from_numpy(part[order]) for part in (user, video, observed))
        return cls(user_E, video_E, observed_E, watched.num_users, watched.num_videos)

    @cached_property
    def first(self) -> Tensor:
        """Place of each user's first edge, and of the end as one more, [U + 1]."""
        return torch.searchsorted(self.user_E, torch.arange(self.num_users + 1))

    def of_users(self, user_N: Tensor) -> Tensor:
        """Return the places of all edges of some users, user by user."""
        begin_N, size_N = self.first[user_N], self.first[user_N + 1] - self.first[user_N]
        before_N = size_N.cumsum(0) - size_N
        within = torch.arange(int(size_N.sum())) - before_N.repeat_interleave(size_N)
        return begin_N.repeat_interleave(size_N) + within

    @property
    def num_observed(self) -> int:
        """Watched pairs."""
        return int(self.observed_E.sum())

    def popular_shares(self) -> Tensor:
        """Return how likely each edge is where as many as were watched are drawn in proportion to how many users watched the video.

        None is likelier than 1: what would be is 1, and the others share the rest.
        """
        count_E = torch.bincount(self.video_E[self.observed_E], minlength=self.num_videos)[self.video_E].double()
        certain_E = torch.zeros_like(self.observed_E)
        while True:
            left = self.num_observed - int(certain_E.sum())
            share_E = torch.where(certain_E, 1.0, count_E * (left / count_E[~certain_E].sum().clamp_min(1)))
            above_E = (share_E > 1) & ~certain_E
            if not above_E.any():
                return share_E.float()
            certain_E = certain_E | above_E


def _neighbours(watched: Watched, most: int) -> tuple[Ids, Ids]:
    """Return users and their nearest videos by the cosine of standardised content, of equal ones the smaller code."""
    assert watched.content_VC is not None
    described = np.flatnonzero(~np.isnan(watched.content_VC[:, 0]))
    content_NC = watched.content_VC[described].astype(np.float64)
    scale_C = content_NC.std(axis=0)
    content_VC = np.zeros(watched.content_VC.shape)
    content_VC[described] = (content_NC - content_NC.mean(axis=0)) / np.where(scale_C > 0, scale_C, 1)
    sum_UC = np.zeros((watched.num_users, len(scale_C)))
    np.add.at(sum_UC, watched.user_P, content_VC[watched.video_P])
    unit_NC = content_VC[described] / np.maximum(np.linalg.norm(content_VC[described], axis=1, keepdims=True), 1e-12)
    first_U = np.searchsorted(watched.user_P, np.arange(watched.num_users + 1))
    users = np.flatnonzero(np.diff(first_U))
    found_user, found_video = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    place_V = np.full(watched.num_videos, -1)
    place_V[described] = np.arange(described.size)
    for begin in range(0, users.size, _USERS_AT_A_TIME):
        some = users[begin : begin + _USERS_AT_A_TIME]
        score = sum_UC[some] @ unit_NC.T
        mine = np.isin(watched.user_P, some)
        score[np.searchsorted(some, watched.user_P[mine]), place_V[watched.video_P[mine]]] = -np.inf
        near = np.argsort(-score, axis=1, kind="stable")[:, :most]
        row, column = np.nonzero(np.take_along_axis(score, near, axis=1) > -np.inf)
        found_user.append(some[row])
        found_video.append(described[near[row, column]])
    return np.concatenate(found_user), np.concatenate(found_video)
