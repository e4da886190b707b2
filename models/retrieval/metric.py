"""A distance between users and videos, learned from content and from who watched what
(docs/methods/retrieval.md#metric-learning).

Shapes: U users, V videos, B examples, H past videos, K videos drawn at random, C numbers of content, D width.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.retrieval.config import MetricOptions
from models.retrieval.vectors import Flags, VectorFit, first_vectors
from models.retrieval.watched import NONE, Watched, examples, past_of_users


def squared_distance(first_BD: Tensor, second_BD: Tensor) -> Tensor:
    """Return |first - second|^2, summed over the last axis; shapes broadcast."""
    return (first_BD - second_BD).square().sum(dim=-1)


def metric_loss(user_BD: Tensor, video_BD: Tensor, other_BKD: Tensor, margin: float, num_videos: int) -> Tensor:
    """Return the mean over examples of log(1 + rank) sum over k of [margin + d^2(u, v) - d^2(u, k)]_+.

    The distance to what was watched shrinks: a score is the distance with its sign turned.

    Args:
        user_BD: points of users.
        video_BD: points of what each watched.
        other_BKD: points of videos drawn at random.
        margin: by which these have to be further away, as a squared distance.
        num_videos: V; the rank of a video among so many is the share of drawn ones within the margin, times V.
    """
    hinge_BK = functional.relu(
        margin + squared_distance(user_BD, video_BD)[:, None] - squared_distance(user_BD[:, None], other_BKD)
    )
    rank_B = num_videos * (hinge_BK.detach() > 0).float().mean(dim=1)
    return (rank_B.log1p() * hinge_BK.sum(dim=1)).mean()


class MetricFit(VectorFit):
    """A network of one hidden layer from content to points of the unit ball; a user is where the videos watched last are.

    So one watch places a user, and content alone a video. A step costs what the whole catalogue does. Users without a past and
    videos without content have no point: their vectors are NaN.

    Args:
        watched: who watched what; every watched video has content.
        width: D.
        options: margin, videos drawn, how far back a user is read.
        generator: draws the first weights, and videos that were not watched.
    """

    def __init__(self, watched: Watched, width: int, options: MetricOptions, generator: torch.Generator) -> None:
        super().__init__(watched)
        assert watched.content_VC is not None
        self._options, self._generator = options, generator
        has_content_V = ~np.isnan(watched.content_VC[:, 0])
        content_VC = torch.from_numpy(watched.content_VC)
        self._described = torch.from_numpy(np.flatnonzero(has_content_V))
        scale_C, mean_C = torch.std_mean(content_VC[self._described], dim=0, correction=0)
        self._content_VC = ((content_VC - mean_C) / torch.where(scale_C > 0, scale_C, 1)).nan_to_num()
        self._past_UH = torch.from_numpy(past_of_users(watched, options.history))
        self._past_BH, self._next_B = (torch.from_numpy(part) for part in examples(watched, options.history))
        self._weight_CW = first_vectors(content_VC.shape[1], options.hidden, generator)
        self._weight_WD = first_vectors(options.hidden, width, generator)
        self._bias_W = torch.zeros(options.hidden, requires_grad=True)
        parameters = [self._weight_CW, self._bias_W, self._weight_WD]
        self._optimizer = torch.optim.Adam(parameters, lr=options.learning_rate)

    @property
    def num_examples(self) -> int:
        """Watches that are not a user's first."""
        return len(self._next_B)

    def step(self, example_B: Tensor) -> None:
        """Draw users to what they watched next, and away from videos drawn at random."""
        point_VD, video_B = self._points(), self._next_B[example_B]
        drawn_BK = torch.randint(
            len(self._described), (len(video_B), self._options.negatives), generator=self._generator
        )
        user_BD = self._users(point_VD, self._past_BH[example_B])
        loss = metric_loss(
            user_BD, point_VD[video_B], point_VD[self._described[drawn_BK]], self._options.margin, len(self._described)
        )
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    @torch.no_grad()
    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return the points of users and videos; NaN where there is none."""
        point_VD = self._points()
        user_UD = self._users(point_VD, self._past_UH)
        for point_ND, known_N in zip((user_UD, point_VD), self.known, strict=True):
            point_ND[torch.from_numpy(~known_N)] = torch.nan
        return user_UD, point_VD

    @property
    def known(self) -> tuple[Flags, Flags]:
        """Which users watched a video with content, and which videos have some, watched or not."""
        user_U, _ = super().known
        video_V = np.zeros(len(self._content_VC), dtype=np.bool_)
        video_V[self._described.numpy()] = True
        return user_U, video_V

    def _points(self) -> Tensor:
        """Return the point of every video, [V, D]: drawn back to the surface of the unit ball where it lies outside."""
        hidden_VW = functional.relu(self._content_VC @ self._weight_CW + self._bias_W)
        point_VD = hidden_VW @ self._weight_WD
        inside_VD: Tensor = point_VD / point_VD.norm(dim=1, keepdim=True).clamp_min(1)
        return inside_VD

    def _users(self, point_VD: Tensor, past_BH: Tensor) -> Tensor:
        """Return the mean of the points of past videos, each weighed by `decay` once more than the next newer, [B, D]."""
        age_H = torch.arange(past_BH.shape[1] - 1, -1, -1)
        weight_BH = self._options.decay**age_H * (past_BH != NONE)
        point_BHD = point_VD[past_BH.clamp_min(0)]
        return (weight_BH[:, :, None] * point_BHD).sum(dim=1) / weight_BH.sum(dim=1, keepdim=True)
