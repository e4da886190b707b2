"""The exact best of every video for every user: no index that could miss one.

Shapes: N users, V videos, K places.
"""

import numpy as np
from numpy.typing import NDArray

from models.retrieval.watched import NONE, Ids

Scores = NDArray[np.float32]


def top_k(score_NV: Scores, k: int) -> Ids:
    """Return the `k` videos of the highest scores, best first, of equal ones the smaller code; [N, K].

    Args:
        score_NV: a score of every video; -inf: never proposed.
        k: places. Where fewer videos are left, the rest of the list is `NONE`.
    """
    width = score_NV.shape[1]
    kept = min(k, width)
    kth_N1 = np.partition(score_NV, width - kept, axis=1)[:, width - kept, None]
    above_NV, equal_NV = score_NV > kth_N1, score_NV == kth_N1
    open_N1 = kept - above_NV.sum(axis=1, keepdims=True)
    chosen_NV = above_NV | (equal_NV & (np.cumsum(equal_NV, axis=1) <= open_N1))
    video_NK = np.nonzero(chosen_NV)[1].reshape(-1, kept)
    score_NK = np.take_along_axis(score_NV, video_NK, axis=1)
    order_NK = np.argsort(-score_NK, axis=1, kind="stable")
    video_NK = np.take_along_axis(video_NK, order_NK, axis=1)
    video_NK[np.isneginf(np.take_along_axis(score_NK, order_NK, axis=1))] = NONE
    return np.pad(video_NK, ((0, 0), (0, k - kept)), constant_values=NONE)
