"""Equal-count duration buckets of the fit days, and where a watch time stands among those of its bucket.

Shapes: B rows, G buckets.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.duration_groups import duration_cuts

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DurationBuckets:
    """Buckets with their sorted watch times.

    Attributes:
        cuts_s: inner edges, seconds.
        watch_s: sorted watched seconds of all fit rows, bucket after bucket.
        starts: first entry of every bucket in `watch_s`, and its length at the end, [G + 1].
    """

    cuts_s: Floats
    watch_s: Floats
    starts: NDArray[np.int64]

    @classmethod
    def fit(cls, watch_s: Floats, duration_s: Floats, num_buckets: int) -> Self:
        """Cut fit durations, and sort the watch times of every bucket."""
        cuts = duration_cuts(duration_s, num_buckets)
        bucket_B = np.searchsorted(cuts, duration_s, side="right")
        counts = np.bincount(bucket_B, minlength=cuts.size + 1)
        return cls(cuts, watch_s[np.lexsort((watch_s, bucket_B))], np.concatenate(([0], np.cumsum(counts))))

    @property
    def num_buckets(self) -> int:
        """G."""
        return self.cuts_s.size + 1

    def of(self, duration_s: Floats) -> NDArray[np.int64]:
        """Return the bucket of every duration."""
        return np.searchsorted(self.cuts_s, duration_s, side="right").astype(np.int64)

    def mean(self) -> Floats:
        """Return the mean watch time per bucket, [G]."""
        return self._per_bucket(np.mean)

    def median(self) -> Floats:
        """Return the median watch time per bucket, [G]."""
        return self._per_bucket(np.median)

    def percentile(self, watch_s: Floats, duration_s: Floats) -> Floats:
        """Return the mid-rank share of the bucket's fit rows below each watch time, in [0, 1]."""
        bucket_B, found_B = self.of(duration_s), np.empty(watch_s.size)
        for bucket in range(self.num_buckets):
            here = bucket_B == bucket
            known = self._watch(bucket)
            below = np.searchsorted(known, watch_s[here], side="left")
            up_to = np.searchsorted(known, watch_s[here], side="right")
            found_B[here] = (below + up_to) / (2 * known.size)
        return found_B

    def decode(self, percentile_B: Floats, duration_s: Floats) -> Floats:
        """Return the watch time that stands at a percentile of its bucket, seconds."""
        bucket_B, found_B = self.of(duration_s), np.empty(percentile_B.size)
        for bucket in range(self.num_buckets):
            here = bucket_B == bucket
            known = self._watch(bucket)
            found_B[here] = np.interp(percentile_B[here] * known.size - 0.5, np.arange(known.size), known)
        return found_B

    def _watch(self, bucket: int) -> Floats:
        return self.watch_s[self.starts[bucket] : self.starts[bucket + 1]]

    def _per_bucket(self, statistic: object) -> Floats:
        assert callable(statistic)
        return np.array([statistic(self._watch(bucket)) for bucket in range(self.num_buckets)], dtype=np.float64)
