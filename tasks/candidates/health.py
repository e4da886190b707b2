"""Alignment and uniformity of fitted vectors, over all of them and by decile (docs/methods/retrieval.md#health).

Shapes: U users, V videos, P watched pairs, D width.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from models.retrieval.alignment_uniformity import alignment, uniformity
from models.retrieval.watched import Ids
from tasks.candidates.document import Health
from tasks.table.watches import Watches

DECILES = 10
MOST_VECTORS = 2048
"""Vectors, or pairs, of one number at most: pairs of vectors grow with the square."""


def vector_health(user_UD: Tensor, video_VD: Tensor, watches: Watches, epoch: int) -> Health:
    """Return the health of vectors of the users and videos that have a watch.

    Args:
        user_UD: vectors of users.
        video_VD: vectors of videos.
        watches: who watched what.
        epoch: that was kept.
    """
    watched_U = np.bincount(watches.user_P, minlength=watches.num_users)
    active, popular = np.flatnonzero(watched_U), np.flatnonzero(watches.watchers)
    user_P, video_P = torch.from_numpy(watches.user_P), torch.from_numpy(watches.video_P)

    def aligned(place: Ids) -> float:
        of = torch.from_numpy(place)
        return float(alignment(user_UD[user_P[of]], video_VD[video_P[of]]))

    return Health(
        epoch=epoch,
        alignment=aligned(_some(np.arange(watches.user_P.size))),
        uniformity_users=_spread(user_UD, active),
        uniformity_videos=_spread(video_VD, popular),
        alignment_by_activity=_by_decile(np.arange(watches.user_P.size), watched_U[watches.user_P], aligned),
        uniformity_by_popularity=_by_decile(popular, watches.watchers[popular], lambda of: _spread(video_VD, of)),
    )


def _by_decile(number: Ids, by: Ids, measure: Callable[[Ids], float]) -> tuple[float, ...]:
    """Return a measure of equal parts of some numbers, ordered by a value and by number."""
    ordered = number[np.lexsort((number, by))]
    return tuple(measure(_some(part)) for part in np.array_split(ordered, DECILES) if part.size)


def _spread(vector_ND: Tensor, number: Ids) -> float:
    return float(uniformity(vector_ND[torch.from_numpy(_some(number))]))


def _some(number: Ids) -> Ids:
    """Return at most `MOST_VECTORS` of some numbers, drawn with a fixed seed."""
    if number.size <= MOST_VECTORS:
        return number
    return np.sort(np.random.default_rng(0).choice(number, MOST_VECTORS, replace=False))
