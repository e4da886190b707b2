"""Leave the last two positives of every user out, each with the skips around it.

Source: docs/methods/sequences.md#sequence-protocol. A skip belongs to the next positive; those after the last positive
belong to it. So no skip is a candidate twice. The split is by place in a user's line, not by calendar: rows of one user
may be learned from that are later than rows another user is judged on. It is the published protocol, and no nightly
stage uses it.

Shape legend: B impressions, U users, T positives, J users that are judged, C candidates.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.sequence.protocol.feedback import NEUTRAL, POSITIVE, SKIP, FeedbackLog, IntArray

MIN_POSITIVES = 3
"""Users with fewer are not judged, and everything of theirs is learned from (our reading)."""
MAX_CANDIDATES = 500


@dataclass(frozen=True, eq=False)
class Sequences:
    """Every user's positives, one after the other, oldest first.

    Attributes:
        start_U: [U] where a user's positives begin on the axis of positives.
        count_U: [U] how many a user has.
        train_U: [U] how many of them, the first ones, are learned from.
        item_T: [T] item codes.
        skip_T: [T] the skip directly before each positive, 0 where a positive or nothing stands there. Neutral
            impressions are looked past.
    """

    start_U: IntArray
    count_U: IntArray
    train_U: IntArray
    item_T: IntArray
    skip_T: IntArray


@dataclass(frozen=True, eq=False)
class Candidates:
    """What is ranked: for every judged user the held-out positive and its skips, users in order.

    Attributes:
        user_J: [J] user codes.
        known_J: [J] length of the history: how many of the user's first positives come before the held-out one.
        row_C: [C] position of each candidate's user in `user_J`, ascending.
        item_C: [C] item codes, all different within a user.
        label_C: [C] 1 for the positive, 0 for a skip.
    """

    user_J: IntArray
    known_J: IntArray
    row_C: IntArray
    item_C: IntArray
    label_C: IntArray


@dataclass(frozen=True, eq=False)
class SequenceSplit:
    """What is learned from, validated on and judged on.

    Attributes:
        num_items: item codes run from 1 to this.
        sequences: the positives.
        seen: sorted codes user * (num_items + 1) + item of all pairs in rows that are learned from, neutral ones too.
        train_kind_I: [num_items + 1, 3] by item, the rows that are learned from of each kind, NEUTRAL to SKIP.
        validation: the last but one positive.
        test: the last positive.
    """

    num_items: int
    sequences: Sequences
    seen: IntArray
    train_kind_I: IntArray
    validation: Candidates
    test: Candidates


def split(log: FeedbackLog, max_candidates: int = MAX_CANDIDATES) -> SequenceSplit:
    """Split a log.

    Args:
        log: impressions in order.
        max_candidates: of a user; the positive and the latest skips stay.
    """
    positives_U = np.bincount(log.user_B[log.kind_B == POSITIVE], minlength=log.num_users)
    train_U = np.where(positives_U >= MIN_POSITIVES, positives_U - 2, positives_U)
    place_B = _place(log, positives_U)
    learned_B = place_B <= train_U[log.user_B]
    # Skips after the last positive of a user without held-out positives precede nothing, and are learned from too.
    learned_B |= positives_U[log.user_B] < MIN_POSITIVES
    kinds = log.item_B * 3 + log.kind_B
    return SequenceSplit(
        num_items=log.num_items,
        sequences=_sequences(log, positives_U, train_U),
        seen=np.unique(log.user_B[learned_B] * (log.num_items + 1) + log.item_B[learned_B]),
        train_kind_I=np.bincount(kinds[learned_B], minlength=3 * (log.num_items + 1)).reshape(-1, 3),
        validation=_candidates(log, positives_U, place_B, 1, max_candidates),
        test=_candidates(log, positives_U, place_B, 0, max_candidates),
    )


def _place(log: FeedbackLog, positives_U: IntArray) -> IntArray:
    """Return which positive of its user, from 1, each row belongs to, [B]: itself, or the next one, at last the last."""
    positive_B = (log.kind_B == POSITIVE).astype(np.int64)
    before_U = np.cumsum(positives_U) - positives_U
    passed_B = np.cumsum(positive_B) - before_U[log.user_B]
    place_B: IntArray = np.minimum(passed_B + 1 - positive_B, positives_U[log.user_B])
    return place_B


def _sequences(log: FeedbackLog, positives_U: IntArray, train_U: IntArray) -> Sequences:
    told_B = log.kind_B != NEUTRAL
    user_B, item_B, kind_B = log.user_B[told_B], log.item_B[told_B], log.kind_B[told_B]
    after_skip_B = np.zeros(len(user_B), dtype=bool)
    after_skip_B[1:] = (kind_B[:-1] == SKIP) & (user_B[:-1] == user_B[1:])
    skip_B = np.where(after_skip_B, np.roll(item_B, 1), 0)
    positive_B = kind_B == POSITIVE
    return Sequences(
        start_U=np.cumsum(positives_U) - positives_U,
        count_U=positives_U,
        train_U=train_U,
        item_T=item_B[positive_B],
        skip_T=skip_B[positive_B],
    )


def _candidates(
    log: FeedbackLog, positives_U: IntArray, place_B: IntArray, from_last: int, max_candidates: int
) -> Candidates:
    """Return the candidates of the last positive (`from_last` 0) or the one before it (1)."""
    user_J = np.flatnonzero(positives_U >= MIN_POSITIVES)
    row_U = np.full(log.num_users, -1)
    row_U[user_J] = np.arange(len(user_J))
    held_U = positives_U - from_last
    held_B = (row_U[log.user_B] >= 0) & (place_B == held_U[log.user_B]) & (log.kind_B != NEUTRAL)
    row_C, item_C = row_U[log.user_B[held_B]], log.item_B[held_B]
    label_C = (log.kind_B[held_B] == POSITIVE).astype(np.int64)
    kept_C = _first_of_each(row_C * (log.num_items + 1) + item_C, label_C)
    row_C, item_C, label_C = row_C[kept_C], item_C[kept_C], label_C[kept_C]
    kept_C = np.flatnonzero(_rank_from_end(row_C, label_C) < max_candidates)
    return Candidates(user_J, held_U[user_J] - 1, row_C[kept_C], item_C[kept_C], label_C[kept_C])


def _first_of_each(pair_C: IntArray, label_C: IntArray) -> IntArray:
    """Return the rows to keep, ascending: of several with one item the positive, or else the latest skip."""
    order_C = np.lexsort((-np.arange(len(pair_C)), -label_C, pair_C))
    return np.sort(order_C[np.unique(pair_C[order_C], return_index=True)[1]])


def _rank_from_end(row_C: IntArray, label_C: IntArray) -> IntArray:
    """Return each candidate's rank within its user from 0: the positive first, then the skips, latest first."""
    order_C = np.lexsort((-np.arange(len(row_C)), -label_C, row_C))
    count_J = np.bincount(row_C)
    rank_C = np.empty(len(row_C), dtype=np.int64)
    rank_C[order_C] = np.arange(len(row_C)) - np.repeat(np.cumsum(count_J) - count_J, count_J)
    return rank_C
