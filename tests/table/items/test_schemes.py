import itertools

import numpy as np
import pytest

from tasks.table.items.bpe import BpeScheme
from tasks.table.items.schemes import BigramScheme, PrefixScheme, RqScheme

SIZES = (3, 4)
FITTED = np.array([[0, 1], [0, 1], [0, 3], [2, 0], [2, 1]], dtype=np.int32)


def test_rq_gives_every_code_of_a_level_its_row() -> None:
    scheme = RqScheme(SIZES, FITTED)
    assert scheme.fields == (("content_1", 4), ("content_2", 5))
    np.testing.assert_array_equal(scheme.lookup(FITTED), FITTED + 1)


def test_prefixes_share_rows_down_to_where_paths_part() -> None:
    scheme = PrefixScheme(SIZES, FITTED)
    assert scheme.fields == (("content_1", 3), ("content_1_2", 5))
    rows = scheme.lookup(FITTED)
    assert rows.tolist() == [[1, 1], [1, 1], [1, 2], [2, 3], [2, 4]]


def test_a_path_that_no_video_of_the_fit_days_took_is_unknown_from_there_on() -> None:
    deep = np.array([[0, 1, 0], [2, 0, 1]], dtype=np.int32)
    scheme = PrefixScheme((3, 4, 2), deep)
    asked = np.array([[1, 1, 0], [0, 0, 0], [2, 0, 0], [2, 0, 1]], dtype=np.int32)
    assert scheme.lookup(asked).tolist() == [[0, 0, 0], [1, 0, 0], [2, 2, 0], [2, 2, 2]]


def test_prefixes_of_many_large_levels_do_not_overflow() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4096, (500, 8)).astype(np.int32)
    scheme = PrefixScheme((4096,) * 8, codes)
    rows = scheme.lookup(codes)
    assert (rows > 0).all()
    assert len(np.unique(rows[:, -1])) == len(np.unique(codes, axis=0))


def test_bigrams_join_two_levels_and_leave_the_odd_one_alone() -> None:
    codes = np.array([[0, 1, 1], [0, 1, 0], [2, 1, 1], [2, 3, 0]], dtype=np.int32)
    scheme = BigramScheme((3, 4, 2), codes)
    assert scheme.fields == (("content_1_2", 4), ("content_3", 3))
    assert scheme.lookup(codes).tolist() == [[1, 2], [1, 1], [2, 2], [3, 1]]
    assert scheme.lookup(np.array([[0, 3, 1], [1, 1, 0]], dtype=np.int32)).tolist() == [[0, 2], [0, 1]]


def test_codes_that_often_stand_together_become_a_piece() -> None:
    codes = np.array([[0, 1, 1], [0, 1, 0], [0, 1, 1], [2, 0, 0]], dtype=np.int32)
    scheme = BpeScheme((3, 2, 2), codes)
    # (0, 1) thrice, then ((0, 1), 1) twice; every other pair once. Row 0 is unknown, 1 inside a piece, codes come before pieces.
    assert scheme.fields == (("content_from_1", 2 + 3 + 2), ("content_from_2", 4), ("content_from_3", 4))
    assert scheme.lookup(codes).tolist() == [[6, 1, 1], [5, 1, 2], [6, 1, 1], [4, 2, 2]]
    assert scheme.lookup(np.array([[1, 1, 1], [0, 0, 1]], dtype=np.int32)).tolist() == [[3, 3, 3], [2, 2, 3]]


def _pieces(rows: list[list[tuple[int, ...]]]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the two neighbours that most rows hold, by definition; of equal ones those whose pieces are older."""
    counts: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    for row in rows:
        for pair in itertools.pairwise(row):
            counts[pair] = counts.get(pair, 0) + 1
    return max(counts, key=lambda pair: counts[pair]) if counts and max(counts.values()) > 1 else None


@pytest.mark.parametrize("seed", range(5))
def test_joined_pieces_are_those_of_byte_pair_encoding(seed: int) -> None:
    """Frequencies are made distinct enough that the order of joins is no matter of ties: what is compared is how many codes a piece covers."""
    random = np.random.default_rng(seed)
    sizes = (4, 4, 4, 4)
    codes = np.minimum(random.geometric(0.45, (997, 4)) - 1, 3).astype(np.int32)
    found = BpeScheme(sizes, codes).lookup(codes)
    rows = [[((level, code),) for level, code in enumerate(row)] for row in codes.tolist()]
    for _ in range(sum(sizes)):
        if (pair := _pieces(rows)) is None:
            break
        for row in rows:
            for place in range(len(row) - 1):
                if (row[place], row[place + 1]) == pair:
                    row[place : place + 2] = [row[place] + row[place + 1]]
                    break
    begins = np.array([[any(piece[0][0] == level for piece in row) for level in range(4)] for row in rows])
    np.testing.assert_array_equal(found != 1, begins)
    for level in range(4):
        whose: dict[int, tuple[tuple[int, ...], ...] | None] = {}
        for row, number in zip(rows, found[:, level].tolist(), strict=True):
            piece = next((piece for piece in row if piece[0][0] == level), None)
            assert whose.setdefault(number, piece) == piece
        assert len(set(whose.values())) == len(whose)


def test_one_level_has_no_neighbours() -> None:
    codes = np.array([[0], [0], [2]], dtype=np.int32)
    scheme = BpeScheme((3,), codes)
    assert scheme.fields == (("content_from_1", 5),)
    assert scheme.lookup(codes).tolist() == [[2], [2], [4]]
