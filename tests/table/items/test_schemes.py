import numpy as np

from tasks.table.items.schemes import PrefixScheme, RandomScheme, RqScheme

SIZES = (3, 4)
FITTED = np.array([[0, 1], [0, 1], [0, 3], [2, 0], [2, 1]], dtype=np.int32)


def test_rq_gives_every_code_of_a_level_its_row() -> None:
    scheme = RqScheme(SIZES, FITTED)
    assert scheme.fields == (("content_1", 4), ("content_2", 5))
    np.testing.assert_array_equal(scheme.lookup(np.arange(5), FITTED), FITTED + 1)


def test_prefixes_share_rows_down_to_where_paths_part() -> None:
    scheme = PrefixScheme(SIZES, FITTED)
    assert scheme.fields == (("content_1", 3), ("content_1_2", 5))
    rows = scheme.lookup(np.arange(5), FITTED)
    assert rows.tolist() == [[1, 1], [1, 1], [1, 2], [2, 3], [2, 4]]


def test_a_path_that_no_video_of_the_fit_days_took_is_unknown_from_there_on() -> None:
    deep = np.array([[0, 1, 0], [2, 0, 1]], dtype=np.int32)
    scheme = PrefixScheme((3, 4, 2), deep)
    asked = np.array([[1, 1, 0], [0, 0, 0], [2, 0, 0], [2, 0, 1]], dtype=np.int32)
    assert scheme.lookup(np.arange(4), asked).tolist() == [[0, 0, 0], [1, 0, 0], [2, 2, 0], [2, 2, 2]]


def test_prefixes_of_many_large_levels_do_not_overflow() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4096, (500, 8)).astype(np.int32)
    scheme = PrefixScheme((4096,) * 8, codes)
    rows = scheme.lookup(np.arange(500), codes)
    assert (rows > 0).all()
    assert len(np.unique(rows[:, -1])) == len(np.unique(codes, axis=0))


def test_random_keeps_what_codes_there_are_and_nothing_of_whose_they_are() -> None:
    rng = np.random.default_rng(1)
    codes = np.sort(rng.integers(0, 4, (4000, 2)), axis=1).astype(np.int32)
    scheme, videos = RandomScheme((4, 4), codes), np.arange(4000) * 7 - 9
    drawn = scheme.lookup(videos, codes) - 1
    assert {*map(tuple, drawn.tolist())} == {*map(tuple, codes.tolist())}
    assert (drawn == codes).all(axis=1).mean() < 0.2
    shares = [np.bincount(of[:, 0] * 4 + of[:, 1], minlength=16) / len(of) for of in (codes, drawn)]
    np.testing.assert_allclose(shares[1], shares[0], atol=0.03)
    np.testing.assert_array_equal(scheme.lookup(videos[::-1], codes)[::-1], drawn + 1)
