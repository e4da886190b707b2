"""What a watch time says beside its length: yes-or-no labels at fixed and at learned thresholds of the duration.

Shape legend: A labels, G duration groups.
"""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from models.duration_groups import duration_cuts
from models.heads.base import TrainLabels

Floats = NDArray[np.float64]

FIXED = ("svr", "fpr", "evr", "lvr")
LEVELS = {"evr_p60": 0.6, "lvr_p80": 0.8, "lvr_p90": 0.9}
"""Labels above a percentile of the watch times of the row's duration."""
NUM_LABELS = len(FIXED) + len(LEVELS)
_GROUPS = 10


class Percentiles(BaseModel):
    """Percentiles of watch time by duration: linear between duration groups, constant outside them."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    duration_s: Floats
    """Median duration of every group, ascending, seconds [G]."""
    watch_s: Floats
    """Percentiles at the levels of `LEVELS`, seconds [levels, G]."""

    @classmethod
    def fit(cls, train: TrainLabels) -> Self:
        """Read them off the fit days."""
        cuts = duration_cuts(train.duration_s, _GROUPS)
        group = np.searchsorted(cuts, train.duration_s, side="right")
        parts = [group == index for index in range(len(cuts) + 1)]
        return cls(
            duration_s=np.array([np.median(train.duration_s[part]) for part in parts]),
            watch_s=np.array(
                [[np.quantile(train.watch_s[part], level) for part in parts] for level in LEVELS.values()]
            ),
        )

    def __call__(self, duration_s: Floats) -> Floats:
        """Return the percentiles of rows, seconds [levels, rows]."""
        return np.array([np.interp(duration_s, self.duration_s, watch_s) for watch_s in self.watch_s])


def viewing_labels(watch_s: Floats, duration_s: Floats, percentiles: Percentiles) -> Floats:
    """Return the seven labels as 0 and 1, float64 [rows, A]: `FIXED`, then `LEVELS`.

    svr: played, for at most 3 s. fpr: a video over 3 s played to its end. evr: 7 s and complete, or 18 s. lvr: over 18 s of
    a video of at most 3 s (a replay), over .9 d + 4 s of one of at most 40 s, over 40 s of a longer one.

    Source: docs/methods/watch_time.md#dadf.

    Args:
        watch_s: seconds, [rows].
        duration_s: seconds, [rows].
        percentiles: of fit days.
    """
    long_s = np.select([duration_s <= 3, duration_s <= 40], [18.0, 0.9 * duration_s + 4], 40.0)
    fixed = [
        (watch_s > 0) & (watch_s <= 3),
        (duration_s > 3) & (watch_s >= duration_s),
        ((watch_s >= 7) & (watch_s >= duration_s)) | (watch_s >= 18),
        watch_s > long_s,
    ]
    return np.column_stack([*fixed, *(watch_s > percentiles(duration_s))]).astype(np.float64)
