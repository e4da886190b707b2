import polars as pl
import pytest

from tasks.table.vocabulary import UNKNOWN, LevelCounter, Vocabulary, pack


def counted(*chunks: list[object], dtype: pl.DataType | None = None, floor: int = 1) -> Vocabulary:
    counter = LevelCounter("f")
    for chunk in chunks:
        counter.add(pl.Series("f", chunk, dtype=dtype))
    return counter.vocabulary(floor)


def test_codes_follow_sorted_keys_whatever_the_order_of_rows_and_chunks() -> None:
    one = counted([30, 10, 20, 10])
    other = counted([10, 20], [30], [10])
    assert one.keys.to_list() == other.keys.to_list() == [10, 20, 30]
    assert one.encode(pl.Series([20, 10, 30])).tolist() == [2, 1, 3]


def test_null_unseen_and_rare_levels_are_unknown() -> None:
    vocabulary = counted([5, 5, 7, None, 9, 9], floor=2)
    assert vocabulary.size == 3
    assert vocabulary.encode(pl.Series([5, 7, 9, 8, None, 10**12])).tolist() == [
        1,
        UNKNOWN,
        2,
        UNKNOWN,
        UNKNOWN,
        UNKNOWN,
    ]


def test_strings_and_small_integers() -> None:
    tags = counted(["b", "a", "b"])
    assert tags.encode(pl.Series(["a", "c", None, "b"])).tolist() == [1, 0, 0, 2]
    scenes = counted([1, 0], dtype=pl.Int16())
    assert scenes.encode(pl.Series([0, 1, 2], dtype=pl.Int32())).tolist() == [1, 2, 0]


def test_a_field_that_is_all_null_has_one_row() -> None:
    vocabulary = counted([None, None], dtype=pl.String())
    assert vocabulary.size == 1
    assert vocabulary.encode(pl.Series(["x", None])).tolist() == [0, 0]


def test_a_counter_without_rows_says_so() -> None:
    with pytest.raises(ValueError, match="no chunk of field 'f'"):
        LevelCounter("f").vocabulary(1)


def test_packed_offsets_leave_each_field_its_unknown_row() -> None:
    a, b = counted([1, 2, 3]), counted(["x"])
    assert pack([Vocabulary("a", a.keys), Vocabulary("b", b.keys)]) == {"a": 0, "b": 4}
