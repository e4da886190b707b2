"""Metrics of the top of each user's ranked list (docs/methods/metrics.md#list-metrics).

All are means over users, returned as statistics that can be resampled. k is the list length asked for; a k that no
user can answer gives NaN, k < 1 a ValueError.

Shapes: B rows, U users.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.metrics.inputs import Array, FloatArray, IntArray, binary, finite, finite_rows
from tasks.evaluate.metrics.ranked_lists import RankedLists, rank_within
from tasks.evaluate.metrics.ratio import ratio
from tasks.evaluate.metrics.user_statistics import UserSums

MAX_RELEVANCE = 10.0
MAX_GAIN = 3.0
BOUNCE_S = 2.0


def ndcg_at_k(
    lists: RankedLists,
    relevance_B: Array,
    k: int,
    without_positives: Literal["excluded", "zero", "one"] = "excluded",
) -> UserSums:
    """Returns NDCG@k with gain 2^rel - 1, discount 1/log2(1 + rank), and the ideal over *all* positives of the user.

    Args:
        lists: Ranked lists.
        relevance_B: [B] 0/1 label or explicit graded label in [0, 10], never raw seconds.
        k: List length.
        without_positives: Users without positives are excluded; `zero` and `one` score them so, only to reproduce
            others.

    Raises:
        ValueError: If a relevance is out of range, k < 1, or the treatment unknown.
    """
    relevance_B = finite("relevance", relevance_B)
    if relevance_B.size and not 0 <= relevance_B.min() <= relevance_B.max() <= MAX_RELEVANCE:
        raise ValueError(
            f"relevance runs from {relevance_B.min()} to {relevance_B.max()}, allowed is [0, {MAX_RELEVANCE}]: "
            "use a binary or graded label, not seconds"
        )
    if without_positives not in ("excluded", "zero", "one"):
        raise ValueError(f"without_positives is {without_positives!r}, allowed are 'excluded', 'zero', 'one'")
    gain_B = np.exp2(relevance_B) - 1
    dcg_U = _top_sum(lists, gain_B, k, _log2_discount(lists.rank_B))
    ideal_U = _ideal_sum(lists, gain_B, k)
    if without_positives == "excluded":
        return _mean_over_users(dcg_U, ideal_U, lists, ideal_U > 0, "users without positives")
    ndcg_U = ratio(dcg_U, ideal_U, undefined=float(without_positives == "one"))
    return _mean_over_users(ndcg_U, np.ones(ideal_U.size), lists, lists.rows_U > 0, "")


def recall_at_k(lists: RankedLists, relevant_B: Array, k: int) -> UserSums:
    """Returns positives in the top k over all positives, mean over users with a positive.

    Args:
        lists: Ranked lists.
        relevant_B: [B] 0/1 label.
        k: List length.
    """
    relevant_B = binary("relevant", relevant_B)
    positives_U = lists.users.sum(relevant_B)
    return _mean_over_users(
        _top_sum(lists, relevant_B, k), positives_U, lists, positives_U > 0, "users without positives"
    )


def mean_at_k(lists: RankedLists, value_B: Array, k: int) -> UserSums:
    """Returns the mean over all users of a column's mean in the top min(k, list length).

    With the watch time this is WT@k, with a 0/1 label Skip@k, like@k and so on.

    Args:
        lists: Ranked lists.
        value_B: [B] watch time (s) or label.
        k: List length.
    """
    value_B = finite("value", value_B)
    length_U = np.minimum(lists.rows_U, k).astype(np.float64)
    return _mean_over_users(_top_sum(lists, value_B, k), length_U, lists, lists.rows_U > 0, "")


def completion_at_k(lists: RankedLists, label_B: Array, duration_B: Array, k: int) -> UserSums:
    """Returns PCR@k, the mean over users of the mean of watch time over duration in the top min(k, list length).

    Args:
        lists: Ranked lists.
        label_B: [B] watch time, s.
        duration_B: [B] duration, s, positive.
        k: List length.

    Raises:
        ValueError: If a duration is not positive.
    """
    label_B, duration_B = finite_rows(label=label_B, duration=duration_B)
    if duration_B.size and duration_B.min() <= 0:
        raise ValueError(f"{(duration_B <= 0).sum()} durations are not positive")
    return mean_at_k(lists, label_B / duration_B, k)


def sum_at_k(lists: RankedLists, value_B: Array, k: int) -> UserSums:
    """Returns WTG-DVR's `users_gt_k` variant: the mean of the *sum* in the top k, over users with more than k rows.

    Args:
        lists: Ranked lists.
        value_B: [B] watch time (s) or label.
        k: List length; 10 on Kuaishou, 20 on WeChat in the paper.
    """
    return _long_lists(lists, _top_sum(lists, finite("value", value_B), k), np.ones(lists.rows_U.size), k)


def bounce_count_at_k(lists: RankedLists, label_B: Array, k: int) -> UserSums:
    """Returns BC@k: how many of the top k were watched for at most 2 s, mean over users with more than k rows."""
    return sum_at_k(lists, finite("label", label_B) <= BOUNCE_S, k)


def wtg_at_k(lists: RankedLists, gain_B: Array, k: int) -> UserSums:
    """Returns WTG@k, the mean over users with more than k rows of the mean watch-time gain in the top k.

    Args:
        lists: Ranked lists.
        gain_B: [B] from `watch_time_gain.watch_time_gain`.
        k: List length.
    """
    return _long_lists(lists, _top_sum(lists, finite("gain", gain_B), k), np.full(lists.rows_U.size, float(k)), k)


def dcg_wtg_at_k(lists: RankedLists, gain_B: Array, k: int) -> UserSums:
    """Returns DCG-WTG@k: sum of gain / ln(1 + rank) in the top k, not normalised, over users with more than k rows."""
    dcg_U = _top_sum(lists, finite("gain", gain_B), k, 1 / np.log1p(lists.rank_B))
    return _long_lists(lists, dcg_U, np.ones(dcg_U.size), k)


def ndcg_wtg_at_k(lists: RankedLists, gain_B: Array, k: int) -> UserSums:
    """Returns nDCG-WTG@k (ours, as a ratio of signed gains has no meaning): linear gain clip(z, -3, 3) + 3.

    Over users with more than k rows, without those whose shifted gains are all 0.
    """
    shifted_B = np.clip(finite("gain", gain_B), -MAX_GAIN, MAX_GAIN) + MAX_GAIN
    dcg_U = _top_sum(lists, shifted_B, k, _log2_discount(lists.rank_B))
    return _long_lists(lists, dcg_U, _ideal_sum(lists, shifted_B, k), k)


def _log2_discount(rank_B: IntArray) -> FloatArray:
    return 1 / np.log2(1 + rank_B)


def _top_sum(lists: RankedLists, value_B: Array, k: int, discount_B: FloatArray | None = None) -> FloatArray:
    if k < 1:
        raise ValueError(f"k is {k}, allowed is 1 or more")
    if value_B.size != lists.rank_B.size:
        raise ValueError(f"{value_B.size} values for {lists.rank_B.size} ranked rows")
    weight_B = (lists.rank_B <= k) * (1.0 if discount_B is None else discount_B)
    return lists.users.sum(value_B * weight_B)


def _ideal_sum(lists: RankedLists, gain_B: FloatArray, k: int) -> FloatArray:
    ideal = RankedLists(lists.users, rank_within(lists.users, gain_B, np.zeros(gain_B.size)), lists.rows_U)
    return _top_sum(ideal, gain_B, k, _log2_discount(ideal.rank_B))


def _long_lists(lists: RankedLists, top_U: FloatArray, scale_U: FloatArray, k: int) -> UserSums:
    used_U = (lists.rows_U > k) & (scale_U > 0)
    return _mean_over_users(top_U, scale_U, lists, used_U, f"users with at most {k} rows or without gain")


def _mean_over_users(
    top_U: FloatArray, scale_U: FloatArray, lists: RankedLists, used_U: NDArray[np.bool_], reason: str
) -> UserSums:
    """Returns the mean of top/scale over the used users, as a statistic over all users."""
    num_dropped = int(((lists.rows_U > 0) & ~used_U).sum())
    return UserSums(
        numerator_U=ratio(top_U, scale_U * used_U, undefined=0.0),
        denominator_U=used_U.astype(np.float64),
        num_rows=int(lists.rows_U[used_U].sum()),
        num_groups=int(used_U.sum()),
        num_dropped=num_dropped,
        dropped_reason=reason if num_dropped else "",
    )
