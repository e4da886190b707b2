"""Duration groups: equal frequency, nearest group for the unseen."""

import numpy as np
import pytest

from models.duration_groups import duration_cuts


def test_groups_have_equal_sizes() -> None:
    duration = np.random.default_rng(0).permutation(np.arange(1, 101).astype(float))
    cuts = duration_cuts(duration, 10)
    assert cuts.tolist() == [10.5, 20.5, 30.5, 40.5, 50.5, 60.5, 70.5, 80.5, 90.5]
    assert (np.bincount(np.searchsorted(cuts, duration)) == 10).all()


@pytest.mark.parametrize(("unseen", "nearest"), [(1.0, 0), (19.0, 0), (21.0, 1), (59.0, 1), (61.0, 2), (9999.0, 2)])
def test_unseen_durations_fall_in_the_nearest_group(unseen: float, nearest: int) -> None:
    cuts = duration_cuts(np.repeat([10.0, 30.0, 90.0], 5), 3)
    assert np.searchsorted(cuts, unseen) == nearest


def test_one_duration_may_fill_several_groups() -> None:
    duration = np.array([5.0] * 80 + [7.0] * 10 + [9.0] * 10)
    assert duration_cuts(duration, 10).tolist() == [6.0, 8.0]
    assert duration_cuts(np.full(20, 5.0), 10).tolist() == []
