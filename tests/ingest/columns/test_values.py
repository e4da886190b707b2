"""Lengths, flags, whole numbers, policies, categories, tags and scenes of every type."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from tasks.ingest.columns.category import category, scene, tags
from tasks.ingest.columns.length import length
from tasks.ingest.columns.number import flag, policy, share, whole
from tasks.ingest.columns.reading import Reading

Read = Callable[[str, pl.DataType], Reading]


def seconds(source: str, dtype: pl.DataType) -> Reading:
    return length(source, dtype, "s", "watch_unit")


def micros(source: str, dtype: pl.DataType) -> Reading:
    return length(source, dtype, "us", "watch_unit")


def position(source: str, dtype: pl.DataType) -> Reading:
    return whole(source, dtype, pl.Int16())


def named(source: str, dtype: pl.DataType) -> Reading:
    return scene(source, dtype, ["home", "search", "7"])


READ: list[tuple[Read, pl.Series, list[Any]]] = [
    (seconds, pl.Series([1, 0, -2, None]), [1000, 0, -2000, None]),
    (seconds, pl.Series([1.2345, float("nan")]), [1234, None]),
    (seconds, pl.Series(["1.5", "2"]), [1500, 2000]),
    (seconds, pl.Series(["3.25"]).cast(pl.Decimal(10, 2)), [3250]),
    (micros, pl.Series([1_500_000]), [1500]),
    (micros, pl.Series(["1500"]), [2]),
    (seconds, pl.Series([dt.timedelta(milliseconds=16_711)]).cast(pl.Duration("us")), [16_711]),
    (seconds, pl.Series([dt.timedelta(milliseconds=16_711)]).cast(pl.Duration("ns")), [16_711]),
    (seconds, pl.Series([dt.timedelta(milliseconds=16_711)]).cast(pl.Duration("ms")), [16_711]),
    (flag, pl.Series([0, 1, 2, None]), [0, 1, 2, None]),
    (flag, pl.Series([True, False, None]), [1, 0, None]),
    (flag, pl.Series([1.0, 0.0, float("nan")]), [1, 0, None]),
    (flag, pl.Series(["true", "False", "YES", "no", "T", "f", "1", "0", "1.0"]), [1, 0, 1, 0, 1, 0, 1, 0, 1]),
    (flag, pl.Series(["yes", "no"], dtype=pl.Categorical), [1, 0]),
    (position, pl.Series(["3", "3.0", None]), [3, 3, None]),
    (position, pl.Series([3, 4], dtype=pl.UInt64), [3, 4]),
    (share, pl.Series(["0.25", "1"]), [0.25, 1.0]),
    (policy, pl.Series([0, 1]), ["standard", "random"]),
    (policy, pl.Series([0.0, 1.0]), ["standard", "random"]),
    (policy, pl.Series([True, False]), ["random", "standard"]),
    (policy, pl.Series(["standard", "Random", "yes"]), ["standard", "random", "random"]),
    (tags, pl.Series([["a", "b"], [], None, ["c", None]]), ["a,b", None, None, "c"]),
    (tags, pl.Series([[1, 2]]), ["1,2"]),
    (tags, pl.Series([[1.0, 2.0]]), ["1,2"]),
    (tags, pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)), ["1,2"]),
    (tags, pl.Series(["x,y", None]), ["x,y", None]),
    (tags, pl.Series([3, 4]), ["3", "4"]),
    (named, pl.Series(["search", "home", "lost", None]), [1, 0, -1, None]),
    (named, pl.Series(["search", "home"], dtype=pl.Categorical), [1, 0]),
    (named, pl.Series([7, 8]), [2, -1]),
]


@pytest.mark.parametrize(("read", "values", "expected"), READ)
def test_a_value_of_any_type_is_read(read: Read, values: pl.Series, expected: list[Any]) -> None:
    reading = read("column", values.dtype)
    found = (
        pl.LazyFrame({"column": values}).select(value=reading.value, wrong=reading.wrong).collect(engine="streaming")
    )
    assert found["value"].to_list() == expected
    assert not found["wrong"].any()


def test_an_endless_length_is_kept_for_validation_to_set_aside() -> None:
    for values in (
        pl.Series([float("inf")]),
        pl.Series(["inf"]),
        pl.Series([2**63 - 1]),
        pl.Series([2**64 - 1], dtype=pl.UInt64),
    ):
        reading = seconds("column", values.dtype)
        assert pl.DataFrame({"column": values}).select(reading.value).item() > 10**17


WRONG: list[tuple[Read, pl.Series, str]] = [
    (seconds, pl.Series(["3:25"]), "write lengths as numbers, in the unit that watch_unit names"),
    (seconds, pl.Series(["soon"]), "mend or remove the row"),
    (seconds, pl.Series([dt.time(0, 3, 25)]), "lengths are numbers.*it is Time"),
    (seconds, pl.Series([True]), "it is Boolean"),
    (seconds, pl.Series([[1]]), "it is List"),
    (flag, pl.Series([0.5]), "mend or remove the row"),
    (flag, pl.Series([300]), "mend or remove the row"),
    (flag, pl.Series(["maybe"]), "flags are 0 or 1"),
    (flag, pl.Series(["0.5"]), "flags are 0 or 1"),
    (flag, pl.Series([[1]]), "it is List"),
    (position, pl.Series([1.5]), "mend or remove the row"),
    (position, pl.Series([40_000]), "mend or remove the row"),
    (position, pl.Series(["first"]), "mend or remove the row"),
    (share, pl.Series(["often"]), "mend or remove the row"),
    (share, pl.Series([[0.5]]), "it is List"),
    (policy, pl.Series([4]), "policies are standard, random, or 1 for random exposure"),
    (policy, pl.Series(["curious"]), "policies are standard, random"),
    (policy, pl.Series([[1]]), "it is List"),
    (tags, pl.Series([{"a": 1}]), "it is Struct"),
]


@pytest.mark.parametrize(("read", "values", "remedy"), WRONG)
def test_another_value_is_wrong_and_said_to_be(read: Read, values: pl.Series, remedy: str) -> None:
    reading = read("column", values.dtype)
    found = pl.DataFrame({"column": values}).select(value=reading.value, wrong=reading.wrong)
    assert found.rows() == [(None, True)]
    with pytest.raises(ValueError, match=rf"column 'column' holds .*, which cannot be read as watch_ms .*{remedy}"):
        raise ValueError(reading.refusal("watch_ms", [values[0]], 1))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series(["a", "1.0", "1.5", None]), ["a", "1", "1.5", None]),
        (pl.Series([20.0, float("nan"), None]), ["20", None, None]),
        (pl.Series([True, False]), ["true", "false"]),
        (pl.Series(["b", "a"], dtype=pl.Categorical), ["b", "a"]),
        (pl.Series([dt.date(2024, 3, 1)]), ["2024-03-01"]),
        (pl.Series([["x", "y"]]), ["x,y"]),
    ],
)
def test_a_category_is_text(values: pl.Series, expected: list[str | None]) -> None:
    assert pl.DataFrame({"c": values}).select(category("c", values.dtype))["c"].to_list() == expected
