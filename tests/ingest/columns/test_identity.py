"""Identifiers of every type: kept apart, stable, read back as they were written, or refused."""

import re
import uuid
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ingest.columns.identity import codes, identity


def read(values: pl.Series) -> pl.DataFrame:
    """Return value, text and whether it is wrong, of a column of identifiers, as a streamed query gives them."""
    reading = identity("id", values.dtype)
    columns = {"value": reading.value, "wrong": reading.wrong}
    written = {"written": reading.written} if reading.written is not None else {}
    return pl.LazyFrame({"id": values}).select(**columns, **written).collect(engine="streaming")


def as_written(frame: pl.DataFrame) -> list[str | None]:
    number = pl.col("value").cast(pl.String())
    return frame.select(pl.when(pl.col("value") < 0).then("written").otherwise(number))["written"].to_list()


SHAPES: dict[str, tuple[pl.Series, list[str | None]]] = {
    "whole numbers": (pl.Series([7, 0, 2**63 - 1]), ["7", "0", str(2**63 - 1)]),
    "small unsigned": (pl.Series([7, 255], dtype=pl.UInt8), ["7", "255"]),
    "negative": (pl.Series([-1, 5]), ["-1", "5"]),
    "unsigned hashes": (pl.Series([2**64 - 1, 2**63, 12], dtype=pl.UInt64), [str(2**64 - 1), str(2**63), "12"]),
    "floats after a gap": (pl.Series([53.0, float("nan"), None, 2.0**53]), ["53", None, None, str(2**53)]),
    "float32": (pl.Series([53.0, 2.0**24], dtype=pl.Float32), ["53", str(2**24)]),
    "decimals": (pl.Series(["5.00", "12.00"]).cast(pl.Decimal(20, 2)), ["5", "12"]),
    "text numbers": (pl.Series(["7", "007", "7.0", "+7", " 7"]), ["7", "007", "7", "+7", " 7"]),
    "beyond 64 bit": (pl.Series([str(2**63), "9" * 40]), [str(2**63), "9" * 40]),
    "uuids": (pl.Series([str(uuid.UUID(int=n)) for n in (1, 2**127)]), [str(uuid.UUID(int=n)) for n in (1, 2**127)]),
    "hexadecimal": (pl.Series(["1e5", "0x1f", "deadbeef", "12e45678"]), ["1e5", "0x1f", "deadbeef", "12e45678"]),
    "any script": (
        pl.Series(["用户1", "a b", "<b>", "'; drop", "\u200b"]),
        ["用户1", "a b", "<b>", "'; drop", "\u200b"],
    ),
    "categories": (pl.Series(["b", "a", "12"], dtype=pl.Categorical), ["b", "a", "12"]),
    "enums": (pl.Series(["b", "a"], dtype=pl.Enum(["a", "b"])), ["b", "a"]),
    "bytes of text": (pl.Series([b"abc", b"12"]), ["abc", "12"]),
    "bytes": (pl.Series([b"\xff\x00", b"\x00\x01"]), ["\\xff00", "\\x0001"]),
    "nothing given": (pl.Series([None, None], dtype=pl.Null), [None, None]),
    "empty text": (pl.Series(["", None, "a"]), [None, None, "a"]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_type_is_read_back_as_it_was_written(shape: str) -> None:
    values, expected = SHAPES[shape]
    found = read(values)
    assert as_written(found) == expected
    assert not found["wrong"].any()
    assert found["value"].n_unique() == len(set(expected))


WRONG: dict[str, tuple[pl.Series, list[bool], str]] = {
    "fractions": (pl.Series([53.5, 53.0, None]), [True, False, False], "text or whole numbers"),
    "infinite": (pl.Series([float("inf"), 1.0]), [True, False], "text or whole numbers"),
    "rounded": (pl.Series([2.0**53 + 2, 1.0]), [True, False], "has rounded numbers of this size"),
    "rounded float32": (pl.Series([2.0**25], dtype=pl.Float32), [True], "has rounded numbers of this size"),
    "fractions in text": (pl.Series(["53.5", "53.0"]), [True, False], "text or whole numbers"),
    "decimal fractions": (pl.Series(["5.50"]).cast(pl.Decimal(20, 2)), [True], "text or whole numbers"),
    "E notation": (pl.Series(["1.23E+15", "1.23e+15", "12"]), [True, True, False], "E notation has lost digits"),
    "flags": (pl.Series([True, False, None]), [True, True, False], "text or whole numbers.*it is Boolean"),
    "times": (pl.Series([1]).cast(pl.Datetime("us")), [True], "it is Datetime"),
    "lists": (pl.Series([[1]]), [True], "it is List"),
    "records": (pl.Series([{"a": 1}]), [True], "it is Struct"),
}


@pytest.mark.parametrize("shape", WRONG)
def test_what_cannot_name_anybody_is_wrong_and_said_to_be(shape: str) -> None:
    values, wrong, remedy = WRONG[shape]
    reading = identity("id", values.dtype)
    found = read(values)
    assert found["wrong"].to_list() == wrong
    assert found["value"].is_null().to_list() == [w or v is None for w, v in zip(wrong, values, strict=True)]
    said = reading.refusal("user_id", [values.to_list()[0]], sum(wrong))
    assert said.startswith(f"column 'id' holds {values.to_list()[0]!r}, which cannot be read as user_id")
    assert re.search(remedy, said)


def test_the_codes_of_text_never_change() -> None:
    """BLAKE2b of 64 bits, personalised, its upper 63 bits below zero: logs of other versions hold these codes."""
    found = codes(pl.Series(["007", "user-1", "7", None])).to_list()
    assert found == [-4941980053801040736, -2237529419557499554, 7, None]


texts = st.lists(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(texts)
def test_two_texts_are_two_codes_wherever_they_stand(found: list[str]) -> None:
    forward = codes(pl.Series(found)).to_list()
    assert codes(pl.Series(found[::-1])).to_list() == forward[::-1]
    canonical = [pl.Series([text]).str.extract(r"^(0|[1-9][0-9]{0,18})(?:\.0+)?$")[0] or text for text in found]
    assert len(set(forward)) == len(set(canonical))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20))
def test_a_number_is_one_person_as_number_and_as_text(found: list[int]) -> None:
    as_numbers = read(pl.Series(found, dtype=pl.UInt64))
    as_text = read(pl.Series([str(number) for number in found]))
    assert as_numbers["value"].to_list() == as_text["value"].to_list()
    assert as_written(as_numbers) == [str(number) for number in found]


@pytest.mark.parametrize("value", [-5, "x", 2**63])
def test_codes_of_what_is_no_number_are_negative(value: Any) -> None:
    assert read(pl.Series([value], dtype=pl.UInt64 if value == 2**63 else None))["value"][0] < 0
