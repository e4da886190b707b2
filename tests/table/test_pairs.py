"""Pairs that were not shown: never a shown one, uniform over the rest, in the memory of what was shown."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tasks.table.pairs import DayPairs, proportional

LARGE = """
from pathlib import Path
import numpy as np
from tasks.table.pairs import DayPairs

def peak():  # of this program alone: getrusage counts what ran in the process before, the tests
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

before = peak()
random = np.random.default_rng(0)
user = np.concatenate([np.arange(1_000_000), random.integers(0, 1_000_000, 1_000_000)])
video = np.concatenate([random.permutation(1_000_000), random.integers(0, 1_000_000, 1_000_000)])
pairs = DayPairs.of(user, video)
assert pairs.total == 10**12 and 1_999_000 < len(pairs.shown) <= 2_000_000
drawn = pairs.draw(1_000_000, random)
codes = drawn[0] * 1_000_000 + drawn[1]
assert not np.isin(codes, pairs.shown).any()
print(peak() - before)
"""


def random_pairs(density: float, users: int = 30, videos: int = 40) -> DayPairs:
    """Return pairs of which about `density` were shown, every user and every video at least once."""
    random = np.random.default_rng(3)
    shown = random.random((users, videos)) < density
    shown[np.arange(users), np.arange(users)] = True
    shown[0, users:] = True
    user, video = np.nonzero(shown)
    return DayPairs.of(user * 7 + 100, video * 3 + 5)


@pytest.mark.parametrize("density", [0.0, 0.4, 0.97])
def test_the_draw_is_uniform_over_pairs_that_were_not_shown(density: float) -> None:
    pairs = random_pairs(density)
    user, video = pairs.draw(60_000, np.random.default_rng(1))
    counts = np.bincount(user * len(pairs.videos) + video, minlength=pairs.total)
    assert counts[pairs.shown].sum() == 0
    rest = np.delete(counts, pairs.shown)
    assert len(rest) == pairs.unshown
    assert stats.chisquare(rest).pvalue > 0.001


def test_one_pair_left_is_always_the_one_drawn() -> None:
    user, video = np.nonzero(~((np.arange(20)[:, None] == 11) & (np.arange(9) == 4)))
    pairs = DayPairs.of(user, video)
    drawn = pairs.draw(50, np.random.default_rng(0))
    assert pairs.unshown == 1
    assert set(zip(*(part.tolist() for part in drawn), strict=True)) == {(11, 4)}


def test_pairs_shown_twice_count_once() -> None:
    pairs = DayPairs.of(np.array([5, 5, 9, 5]), np.array([2, 2, 2, 8]))
    assert (pairs.total, pairs.unshown, pairs.shown.tolist()) == (4, 1, [0, 1, 2])


def test_no_pair_can_be_drawn_where_all_were_shown() -> None:
    pairs = DayPairs.of(np.array([1, 1]), np.array([2, 3]))
    assert pairs.draw(0, np.random.default_rng(0))[0].shape == (0,)
    with pytest.raises(ValueError, match="all 2 pairs of the day were shown: 3 others"):
        pairs.draw(3, np.random.default_rng(0))


@pytest.mark.slow
def test_a_million_users_and_videos_need_the_memory_of_what_was_shown() -> None:
    """10^12 pairs, 2 million of them shown, 1 million drawn: at most 600 MiB more than before."""
    child = subprocess.run(
        [sys.executable, "-c", LARGE], cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True
    )
    assert 50 < float(child.stdout) < 600


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 10**15), min_size=1, max_size=8))
def test_shares_add_up_and_are_proportional(count: int, sizes: list[int]) -> None:
    shares, total = proportional(count, sizes), sum(sizes)
    assert sum(shares) == (count if total else 0)
    for share, size in zip(shares, sizes, strict=True):
        assert abs(share * total - count * size) < max(total, 1)
