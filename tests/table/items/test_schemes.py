import numpy as np

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
