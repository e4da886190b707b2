"""Impressions as each user's line of positives, skips and neutral rows.

Shape legend: B impressions.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.labels import skip, valid_play

IntArray = NDArray[np.int64]

NEUTRAL, POSITIVE, SKIP = 0, 1, 2


@dataclass(frozen=True, eq=False)
class FeedbackLog:
    """Impressions ordered by user, event time and video.

    Attributes:
        user_B: [B] user codes from 0, ascending.
        item_B: [B] video codes from 1; 0 is left for padding.
        kind_B: [B] NEUTRAL, POSITIVE or SKIP.
        num_users: users with an impression.
        num_items: videos with an impression.
    """

    user_B: IntArray
    item_B: IntArray
    kind_B: IntArray
    num_users: int
    num_items: int

    def __len__(self) -> int:
        return len(self.user_B)


def feedback_log(impressions: pl.DataFrame, neutral: Literal["excluded", "positive"] = "excluded") -> FeedbackLog:
    """Return the log of clean impressions, labelled by the rules of docs/methods/watch_time.md#labels.

    Codes follow the sorted ids. Impressions of one user at one time stand in the order of their video ids (our reading).

    Args:
        impressions: columns user_id, video_id, event_time_ms, watch_ms, duration_ms.
        neutral: impressions that are neither valid plays nor skips take no part in sequences, or count as positives.

    Raises:
        ValueError: if there are no impressions.
    """
    if impressions.is_empty():
        raise ValueError("there are no impressions: a log of feedback needs at least one")
    positive = ~skip() if neutral == "positive" else valid_play()
    kind = pl.when(positive).then(POSITIVE).when(skip()).then(SKIP).otherwise(NEUTRAL)
    ordered = impressions.sort("user_id", "event_time_ms", "video_id").with_columns(kind=kind)
    users, user_B = np.unique(ordered["user_id"].to_numpy(), return_inverse=True)
    items, item_B = np.unique(ordered["video_id"].to_numpy(), return_inverse=True)
    return FeedbackLog(
        user_B=user_B.astype(np.int64),
        item_B=item_B.astype(np.int64) + 1,
        kind_B=ordered["kind"].to_numpy().astype(np.int64),
        num_users=len(users),
        num_items=len(items),
    )
