"""Lists are ordered by score, then by a hash of the row's key: never by file order."""

import numpy as np
import pytest

from tasks.evaluate.metrics import ranked_lists
from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.evaluate.metrics.ranked_lists import rank_lists, tie_hash


def test_m8_ranks(m8):
    lists = rank_lists(m8.users, m8.prediction, np.zeros(8))
    assert lists.rank_B.tolist() == [4, 2, 3, 1, 2, 3, 1, 1]
    assert lists.rows_U.tolist() == [4, 3, 1]


def test_ties_do_not_follow_file_order():
    generator = np.random.default_rng(14)
    user, video, time_ms = generator.integers(0, 30, 500), np.arange(500), generator.integers(0, 10**12, 500)
    score = generator.integers(0, 3, 500)
    order = generator.permutation(500)
    ranks = rank_lists(encode_groups(user), score, tie_hash(user, video, time_ms, 0)).rank_B
    shuffled = tie_hash(user[order], video[order], time_ms[order], 0)
    assert rank_lists(encode_groups(user[order]), score[order], shuffled).rank_B.tolist() == ranks[order].tolist()
    other_seed = rank_lists(encode_groups(user), score, tie_hash(user, video, time_ms, 1)).rank_B
    assert (other_seed != ranks).any()


def test_each_part_of_the_key_counts():
    base = tie_hash(np.array([1]), np.array([2]), np.array([3]), 0)
    others = [(2, 1, 3, 0), (1, 3, 2, 0), (1, 2, 4, 0), (1, 2, 3, 1)]
    assert all(base != tie_hash(np.array([u]), np.array([v]), np.array([t]), seed) for u, v, t, seed in others)


def test_hash_is_splitmix64():
    published = 6457827717110365317  # first output of the reference generator for state 1234567
    assert int(ranked_lists._splitmix64(np.array([1234567], dtype=np.uint64))[0]) == published


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="video: tie breaking needs integer keys"):
        tie_hash(np.array([1]), np.array(["x"]), np.array([3]), 0)
    users = Groups(np.array([0, 0]), 1)
    with pytest.raises(ValueError, match=r"score: 1 of 2 values are NaN or infinite, first at rows \[0\]"):
        rank_lists(users, np.array([np.inf, 1.0]), np.zeros(2))
    with pytest.raises(ValueError, match="2 grouped rows, 1 scores"):
        rank_lists(users, np.array([1.0]), np.zeros(2))
