"""Where a watch time stands among those of its duration."""

import numpy as np
import pytest

from tasks.train.duration_buckets import DurationBuckets


def test_percentiles_are_mid_ranks_and_decode_back():
    draw = np.random.default_rng(0)
    watch_s, duration_s = draw.integers(0, 20, 300).astype(float), draw.choice([5.0, 10.0, 60.0], 300)
    buckets = DurationBuckets.fit(watch_s, duration_s, 20)
    found = buckets.percentile(watch_s, duration_s)
    for row in (0, 17, 123):
        peers = watch_s[duration_s == duration_s[row]]
        expected = ((peers < watch_s[row]).mean() + (peers <= watch_s[row]).mean()) / 2
        assert found[row] == pytest.approx(expected)
    np.testing.assert_allclose(buckets.decode(found, duration_s), watch_s, atol=1e-9)
