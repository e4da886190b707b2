from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.sequence.protocol.feedback import POSITIVE, SKIP, FeedbackLog, feedback_log
from benchmarks.sequence.protocol.split import Candidates, split
from tests.benchmarks.sequence_protocol.conftest import impressions, written

HAND = written(
    "s1 p2 s3 s4 n5 p6 p7 s8 n9 s10 p11 s12 p13 s14 n15",
    "p20 s21 p22 s23",
    "s30 n31",
    "p40 p41 p42",
)


def of_user(candidates: Candidates, user: int) -> list[tuple[int, int]]:
    """Return (item, label) of one user's candidates."""
    rows = candidates.user_J[candidates.row_C] == user
    return list(zip(candidates.item_C[rows].tolist(), candidates.label_C[rows].tolist(), strict=True))


def test_a_log_written_by_hand() -> None:
    data = split(HAND)
    lines = data.sequences
    assert lines.item_T.tolist() == [2, 6, 7, 11, 13, 20, 22, 40, 41, 42]
    # 4 stands directly before 6: the neutral 5 between them is looked past.
    assert lines.skip_T.tolist() == [1, 4, 0, 10, 12, 0, 21, 0, 0, 0]
    assert lines.start_U.tolist() == [0, 5, 7, 7]
    assert lines.count_U.tolist() == [5, 2, 0, 3]
    assert lines.train_U.tolist() == [3, 2, 0, 1]
    assert data.validation.user_J.tolist() == data.test.user_J.tolist() == [0, 3]
    assert data.validation.known_J.tolist() == [3, 1]
    assert data.test.known_J.tolist() == [4, 2]
    assert of_user(data.validation, 0) == [(8, 0), (10, 0), (11, 1)]
    assert of_user(data.test, 0) == [(12, 0), (13, 1), (14, 0)]
    assert of_user(data.validation, 3) == [(41, 1)]
    assert of_user(data.test, 3) == [(42, 1)]


def test_what_is_learned_from_is_all_rows_before_the_held_out_ones() -> None:
    data = split(HAND)
    pairs = [(code // (data.num_items + 1), code % (data.num_items + 1)) for code in data.seen.tolist()]
    assert [item for user, item in pairs if user == 0] == [1, 2, 3, 4, 5, 6, 7]
    assert [item for user, item in pairs if user == 1] == [20, 21, 22, 23]
    assert [item for user, item in pairs if user == 2] == [30, 31]
    assert [item for user, item in pairs if user == 3] == [40]
    assert data.train_kind_I.sum(axis=0).tolist() == [2, 6, 6]
    assert data.train_kind_I[5].tolist() == [1, 0, 0]
    assert data.train_kind_I[8].tolist() == [0, 0, 0]


def test_the_skips_of_validation_and_test_do_not_overlap() -> None:
    """In public code the skips between the last two positives are candidates of both."""
    data = split(written("p1 p2 p3 s4 p5 s6 s7 p8 s9"))
    validation, test = of_user(data.validation, 0), of_user(data.test, 0)
    assert validation == [(4, 0), (5, 1)]
    assert test == [(6, 0), (7, 0), (8, 1), (9, 0)]


def by_hand(log: FeedbackLog) -> dict[int, tuple[set[int], int, set[int], int]]:
    """Return user -> (validation skips, positive, test skips, positive), walking row by row."""
    found = {}
    for user in range(log.num_users):
        rows = [(int(k), int(i)) for u, k, i in zip(log.user_B, log.kind_B, log.item_B, strict=True) if u == user]
        groups: list[tuple[set[int], int]] = []
        skips: set[int] = set()
        for kind, item in rows:
            if kind == SKIP:
                skips.add(item)
            elif kind == POSITIVE:
                groups.append((skips, item))
                skips = set()
        if len(groups) >= 3:
            (validation, first), (test, last) = groups[-2], groups[-1]
            found[user] = (validation - {first}, first, (test | skips) - {last}, last)
    return found


def test_random_logs_agree_with_a_walk() -> None:
    log = feedback_log(impressions(num_users=40, rows=9, seed=3))
    data, expected = split(log), by_hand(log)
    assert data.test.user_J.tolist() == sorted(expected)
    for user, (validation, first, test, last) in expected.items():
        for candidates, skips, positive in ((data.validation, validation, first), (data.test, test, last)):
            found = of_user(candidates, user)
            assert sorted(found) == sorted([(item, 0) for item in skips] + [(positive, 1)])


def test_an_item_is_a_candidate_once() -> None:
    data = split(written("p1 p2 p3 s9 s4 s9 s5 p5"))
    assert of_user(data.test, 0) == [(4, 0), (9, 0), (5, 1)]


def test_at_most_so_many_candidates_the_positive_and_the_latest_skips() -> None:
    data = split(written("p1 p2 s3 s4 p5 s6 s7"), max_candidates=3)
    assert of_user(data.test, 0) == [(5, 1), (6, 0), (7, 0)]
    skips = " ".join(f"s{item}" for item in range(10, 560))
    capped = split(written(f"p1 p2 {skips} p3", num_items=600))
    assert len(capped.test.item_C) == 500
    assert min(item for item, label in of_user(capped.test, 0) if not label) == 61


@pytest.mark.parametrize("change", ["items of the last positive's rows", "rows after it"])
def test_the_test_part_moves_nothing_else(change: str) -> None:
    data = split(HAND)
    lines = ["s1 p2 s3 s4 n5 p6 p7 s8 n9 s10 p11 s50 p51 s52 n53", "p20 s21 p22 s23", "s30 n31", "p40 p41 p54"]
    if change == "rows after it":
        lines[0] += " s55 s56 n57"
    other = split(written(*lines))
    assert np.array_equal(data.seen, other.seen)
    assert np.array_equal(data.train_kind_I, other.train_kind_I)
    assert np.array_equal(data.validation.item_C, other.validation.item_C)
    before: Sequence[slice] = (slice(0, 4), slice(5, 9))
    for part in before:
        assert np.array_equal(data.sequences.item_T[part], other.sequences.item_T[part])
        assert np.array_equal(data.sequences.skip_T[part], other.sequences.skip_T[part])


def test_no_user_with_enough_positives_leaves_nothing_to_judge() -> None:
    data = split(written("p1 s2 p3", "s4"))
    assert data.test.user_J.size == data.test.item_C.size == 0
    assert data.sequences.train_U.tolist() == [2, 0]
