"""What a user's first rows of the fit days say, as numbers of one length however few they are
(docs/methods/representation.md#distillation).

Shapes: U users, V videos, N users asked for, K first rows, D width, F = 2 D + 2 numbers.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.retrieval.watched import NONE, Ids, Shown


def numbers_of(width: int) -> int:
    """Return F for vectors of a width."""
    return 2 * width + 2


@dataclass(frozen=True, eq=False)
class FirstRows:
    """The first rows of every user, oldest first.

    Attributes:
        rows_U: how many rows the user has.
        video_UK: videos of the first K, `NONE` behind the last.
        watched_UK: whether they were watched.
    """

    rows_U: Ids
    video_UK: Tensor
    watched_UK: Tensor

    @classmethod
    def of(cls, shown: Shown, num_users: int, most: int) -> "FirstRows":
        """Cut every user's rows.

        Args:
            shown: rows of the fit days.
            num_users: U.
            most: K.
        """
        rows_U = np.bincount(shown.user_N, minlength=num_users)
        begin_U = np.cumsum(rows_U) - rows_U
        place_N = np.arange(shown.user_N.size) - begin_U[shown.user_N]
        kept_N = place_N < most
        at = (shown.user_N[kept_N], place_N[kept_N])
        video_UK, watched_UK = np.full((num_users, most), NONE), np.zeros((num_users, most), dtype=np.bool_)
        video_UK[at], watched_UK[at] = shown.video_N[kept_N], shown.watched_N[kept_N]
        return cls(rows_U, torch.from_numpy(video_UK), torch.from_numpy(watched_UK))

    def numbers(self, code_N: Tensor, video_VD: Tensor) -> Tensor:
        """Return what the first k rows of some users say, for every k, [N, K, F].

        Sums over these rows of the vectors of what was watched and of what was not, and how many either are, all divided by
        the root of K; behind a user's last row they stay as they are.

        Args:
            code_N: users.
            video_VD: vectors; 0 for a video of which nothing is known.
        """
        video_NK, watched_NK1 = self.video_UK[code_N], self.watched_UK[code_N][:, :, None]
        shown_NK1 = (video_NK != NONE)[:, :, None]
        vector_NKD = torch.where(shown_NK1, video_VD[video_NK.clamp_min(0)], 0)
        one_NK1 = shown_NK1.to(vector_NKD.dtype)
        parts = [torch.where(watched_NK1, of, 0) for of in (vector_NKD, one_NK1)]
        parts += [torch.where(watched_NK1, 0, of) for of in (vector_NKD, one_NK1)]
        return torch.cat(parts, dim=2).cumsum(dim=1) / math.sqrt(self.video_UK.shape[1])

    def whole(self, code_N: Tensor, video_VD: Tensor) -> Tensor:
        """Return what all rows of some users say, of which each has between 1 and K, [N, F]."""
        last_N = torch.from_numpy(self.rows_U)[code_N] - 1
        return self.numbers(code_N, video_VD)[torch.arange(len(code_N)), last_N]
