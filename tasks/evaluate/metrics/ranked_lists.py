"""Each user's candidates in score order, with ties broken by a seeded hash and never by file order.

Shapes: B rows, U users.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import Array, FloatArray, IntArray, finite


@dataclass(frozen=True, eq=False)
class RankedLists:
    """The rank of every row in its user's list.

    Attributes:
        users: Group of each row.
        rank_B: [B] rank from 1.
        rows_U: [U] list lengths; 0 for users without rows.
    """

    users: Groups
    rank_B: IntArray
    rows_U: IntArray


def tie_hash(user_B: Array, video_B: Array, time_ms_B: Array, seed: int) -> NDArray[np.uint64]:
    """Returns a pseudo-random number per row that depends on its key and the seed only (SplitMix64 of the three).

    Args:
        user_B: [B] integer user ids.
        video_B: [B] integer video ids.
        time_ms_B: [B] integer event times, ms.
        seed: Any non-negative integer below 2^64.

    Raises:
        ValueError: If a column is not of an integer type.
    """
    hash_B = np.full(np.shape(user_B), seed, dtype=np.uint64)
    for name, column_B in (("user", user_B), ("video", video_B), ("time_ms", time_ms_B)):
        key_B = np.asarray(column_B)
        if not np.issubdtype(key_B.dtype, np.integer):
            raise ValueError(f"{name}: tie breaking needs integer keys, got {key_B.dtype}")
        hash_B = _splitmix64(hash_B ^ _splitmix64(key_B.astype(np.uint64)))
    return hash_B


def rank_lists(users: Groups, score_B: Array, tie_B: Array) -> RankedLists:
    """Returns every user's list in descending score order.

    Args:
        users: Group of each row.
        score_B: [B] scores.
        tie_B: [B] from `tie_hash`; the smaller comes first among equal scores.

    Raises:
        ValueError: If a score is not finite or the lengths differ.
    """
    score_B = finite("score", score_B)
    if not users.code_B.size == score_B.size == np.size(tie_B):
        raise ValueError(f"{users.code_B.size} grouped rows, {score_B.size} scores, {np.size(tie_B)} tie keys")
    return RankedLists(users, rank_within(users, score_B, tie_B), users.rows())


def rank_within(users: Groups, value_B: FloatArray, tie_B: Array) -> IntArray:
    """Returns the [B] ranks from 1 of descending values inside each user.

    Args:
        users: Group of each row.
        value_B: [B] values.
        tie_B: [B] ascending order of equal values.
    """
    order_B = np.lexsort((tie_B, -value_B, users.code_B))
    rows_U = users.rows()
    rank_B = np.empty(value_B.size, dtype=np.int64)
    rank_B[order_B] = np.arange(value_B.size) - np.repeat(np.cumsum(rows_U) - rows_U, rows_U) + 1
    return rank_B


def _splitmix64(value_B: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Returns Steele, Lea and Flood's 64-bit mixer of the values (OOPSLA 2014); wraps modulo 2^64 by design."""
    mixed_B = value_B + np.uint64(0x9E3779B97F4A7C15)
    mixed_B = (mixed_B ^ (mixed_B >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed_B = (mixed_B ^ (mixed_B >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed_B ^ (mixed_B >> np.uint64(31))
