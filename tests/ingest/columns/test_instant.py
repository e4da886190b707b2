"""Times of every form, each held against the instant it names; what names none is refused with what to do."""

import datetime as dt
import re
from typing import Literal
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from tasks.core.errors import SourceError
from tasks.ingest.clock import CALENDAR_MS, PLAUSIBLE_MS
from tasks.ingest.columns.instant import TimeForm, instant, moment

SHANGHAI, BERLIN = "Asia/Shanghai", "Europe/Berlin"
MOMENT = dt.datetime(2024, 3, 1, 0, 0, 32, 667_000, tzinfo=ZoneInfo(SHANGHAI))
MS = 1_709_222_432_667
"""The same."""


def read(values: pl.Series, form: TimeForm, second: pl.Series | None = None) -> pl.DataFrame:
    columns = {"ts": values} | ({} if second is None else {"clock": second})
    schema = {name: column.dtype for name, column in columns.items()}
    reading = instant(list(columns), schema, form, lambda: values, "log.csv, impressions")
    return pl.LazyFrame(columns).select(value=reading.value, wrong=reading.wrong).collect(engine="streaming")


def naive(unit: Literal["ms", "us", "ns"]) -> pl.Series:
    return pl.Series([MOMENT.replace(tzinfo=None)]).cast(pl.Datetime(unit))


FORMS: dict[str, tuple[pl.Series, TimeForm, int]] = {
    "s": (pl.Series([MS // 1000]), TimeForm(SHANGHAI), MS // 1000 * 1000),
    "ms": (pl.Series([MS]), TimeForm(SHANGHAI), MS),
    "us": (pl.Series([MS * 1000 + 1]), TimeForm(SHANGHAI), MS),
    "ns": (pl.Series([MS * 1_000_000 + 1]), TimeForm(SHANGHAI), MS),
    "s with a fraction": (pl.Series([MS / 1000]), TimeForm(SHANGHAI), MS),
    "unsigned ns": (pl.Series([MS * 1_000_000], dtype=pl.UInt64), TimeForm(SHANGHAI), MS),
    "s, 32 bit": (pl.Series([MS // 1000], dtype=pl.Int32), TimeForm(SHANGHAI), MS // 1000 * 1000),
    "s declared": (pl.Series([MS // 1000]), TimeForm(SHANGHAI, "s"), MS // 1000 * 1000),
    "text ms": (pl.Series([str(MS)]), TimeForm(SHANGHAI), MS),
    "text s with a fraction": (pl.Series([f"{MS / 1000:.3f}"]), TimeForm(SHANGHAI), MS),
    "decimal s": (pl.Series(["1709222432.667"]).cast(pl.Decimal(20, 3)), TimeForm(SHANGHAI), MS),
    "ISO with Z": (pl.Series(["2024-02-29T16:00:32.667Z"]), TimeForm(SHANGHAI), MS),
    "ISO with offset": (pl.Series(["2024-03-01T00:00:32.667+08:00"]), TimeForm(BERLIN), MS),
    "ISO with short offset": (pl.Series(["2024-03-01 00:00:32.667+08"]), TimeForm(BERLIN), MS),
    "ISO with offset without colon": (pl.Series(["2024-02-29T11:30:32.667-0430"]), TimeForm(BERLIN), MS),
    "ISO local": (pl.Series(["2024-03-01T00:00:32.667"]), TimeForm(SHANGHAI), MS),
    "blank between": (pl.Series([" 2024-03-01 00:00:32.667 "]), TimeForm(SHANGHAI), MS),
    "comma for the point": (pl.Series(["2024-03-01 00:00:32,667"]), TimeForm(SHANGHAI), MS),
    "microseconds": (pl.Series(["2024-03-01 00:00:32.667999"]), TimeForm(SHANGHAI), MS),
    "slashes": (pl.Series(["2024/03/01 00:00:32.667"]), TimeForm(SHANGHAI), MS),
    "minutes": (pl.Series(["2024-03-01T00:00"]), TimeForm(SHANGHAI), MS - 32_667),
    "a day": (pl.Series(["2024-03-01"]), TimeForm(SHANGHAI), MS - 32_667),
    "day first": (pl.Series(["01/03/2024 00:00:32"]), TimeForm(SHANGHAI, format="%d/%m/%Y %H:%M:%S"), MS - 667),
    "month first": (pl.Series(["03/01/2024 00:00"]), TimeForm(SHANGHAI, format="%m/%d/%Y %H:%M"), MS - 32_667),
    "format with offset": (
        pl.Series(["29.02.2024 16:00:32 +0000"]),
        TimeForm(SHANGHAI, format="%d.%m.%Y %H:%M:%S %z"),
        MS - 667,
    ),
    "digits": (pl.Series([20240301000032]), TimeForm(SHANGHAI, format="%Y%m%d%H%M%S"), MS - 667),
    "digits of a day": (pl.Series([20240301]), TimeForm(SHANGHAI, format="%Y%m%d"), MS - 32_667),
    "naive ms": (naive("ms"), TimeForm(SHANGHAI), MS),
    "naive us": (naive("us"), TimeForm(SHANGHAI), MS),
    "naive ns": (naive("ns"), TimeForm(SHANGHAI), MS),
    "zoned": (naive("us").dt.replace_time_zone(SHANGHAI), TimeForm(BERLIN), MS),
    "date": (pl.Series([dt.date(2024, 3, 1)]), TimeForm(SHANGHAI), MS - 32_667),
    "categories": (pl.Series(["2024-02-29T16:00:32.667Z"], dtype=pl.Categorical), TimeForm(SHANGHAI), MS),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_its_instant(form: str) -> None:
    values, how, expected = FORMS[form]
    assert read(values, how).rows() == [(expected, False)]


CLOCKS: dict[str, tuple[pl.Series, pl.Series]] = {
    "text": (pl.Series(["2024-03-01"]), pl.Series(["00:00:32.667"])),
    "types": (pl.Series([dt.date(2024, 3, 1)]), pl.Series([dt.time(0, 0, 32, 667_000)])),
    "timestamp and text": (naive("us"), pl.Series(["00:00:32.667"])),
}


@pytest.mark.parametrize("kind", CLOCKS)
def test_a_date_and_a_time_of_day_are_one_instant(kind: str) -> None:
    days, clocks = CLOCKS[kind]
    assert read(days, TimeForm(SHANGHAI), clocks).rows() == [(MS, False)]


def test_a_date_and_a_time_of_a_declared_format() -> None:
    form = TimeForm(SHANGHAI, format="%d.%m.%Y %H%M%S")
    assert read(pl.Series(["01.03.2024"]), form, pl.Series(["000032"])).rows() == [(MS - 667, False)]


def test_an_hour_that_occurs_twice_is_the_first_and_one_that_is_skipped_is_none() -> None:
    written = pl.Series(["2024-10-27 02:30:00", "2024-10-27 03:30:00", "2024-03-31 02:30:00", "2024-03-31 03:30:00"])
    found = read(written, TimeForm(BERLIN))
    utc = [dt.datetime.fromtimestamp(value / 1000, dt.UTC).hour if value else None for value in found["value"]]
    assert utc == [0, 2, None, 1]
    assert found["wrong"].to_list() == [False, False, True, False]


WRONG: dict[str, tuple[pl.Series, TimeForm, str]] = {
    "E notation": (pl.Series(["1.70922E+12"]), TimeForm("UTC"), "E notation has lost the last digits of the time"),
    "undeclared day first": (pl.Series(["01/03/2024 00:00"]), TimeForm("UTC"), "state in time_format which is the day"),
    "a skipped hour": (pl.Series(["2024-03-31 02:30:00"]), TimeForm(BERLIN), "no such moment in Europe/Berlin"),
    "the 30th of February": (pl.Series(["2024-02-30 02:30:00"]), TimeForm("UTC"), "no such moment"),
    "words": (pl.Series(["yesterday"]), TimeForm("UTC"), "ISO 8601, or of the form that time_format states"),
    "another format": (pl.Series(["2024-03-01"]), TimeForm("UTC", format="%d/%m/%Y"), "not of time_format '%d/%m/%Y'"),
    "flags": (pl.Series([True]), TimeForm("UTC"), "it is Boolean"),
    "durations": (pl.Series([dt.timedelta(days=1)]), TimeForm("UTC"), "it is Duration"),
    "lists": (pl.Series([[MS]]), TimeForm("UTC"), "it is List"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_time_is_wrong_and_said_to_be(kind: str) -> None:
    values, form, remedy = WRONG[kind]
    reading = instant(["ts"], {"ts": values.dtype}, form, lambda: values, "log.csv")
    assert read(values, form).rows() == [(None, True)]
    said = reading.refusal("event_time_ms", values.to_list(), 1)
    assert said.startswith(f"column 'ts' holds {values.to_list()[0]!r}, which cannot be read as event_time_ms")
    assert remedy in said


UNITS: dict[str, tuple[pl.Series, TimeForm, str]] = {
    "s declared as ms": (pl.Series([MS // 1000]), TimeForm("UTC", "ms"), "read in time_unit ms it is 1970-01-20.*set time_unit: s, in which it is 2024-02-29"),
    "ms declared as s": (pl.Series([MS]), TimeForm("UTC", "s"), "it is the year 5\\d{4}.*set time_unit: ms"),
    "us declared as ms": (pl.Series([MS * 1000]), TimeForm("UTC", "ms"), "it is the year 5\\d{4}.*set time_unit: us"),
    "ns declared as us": (pl.Series([str(MS * 10**6)]), TimeForm("UTC", "us"), "set time_unit: ns"),
    "digits": (pl.Series([20240301080032]), TimeForm("UTC"), "it would be .*the year 2611 in ms.*set time_format: '%Y%m%d%H%M%S'"),
    "digits in text": (pl.Series(["20240301"]), TimeForm("UTC"), "set time_format: '%Y%m%d'"),
    "digits of a minute": (pl.Series([202403010800]), TimeForm("UTC"), "set time_format: '%Y%m%d%H%M'"),
    "a counter": (pl.Series([17, 18, 19]), TimeForm("UTC"), "no unit of time_unit makes it a time of this century"),
    "a counter declared": (pl.Series([17.5]), TimeForm("UTC", "s"), "no unit of time_unit"),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNITS)
def test_a_unit_that_makes_no_sense_is_refused_with_the_one_that_does(kind: str) -> None:
    values, form, message = UNITS[kind]
    with pytest.raises(SourceError) as refused:
        read(values, form)
    assert str(refused.value).startswith(f"log.csv, impressions: column 'ts' holds {values[0]!r};")
    assert re.search(message, str(refused.value))


def test_a_clock_that_was_never_set_does_not_decide_the_unit() -> None:
    values = pl.Series([0] * 60 + [-1] * 30 + [MS] * 100 + [2**63 - 1])
    assert read(values, TimeForm("UTC"))["value"].to_list() == [0] * 60 + [-1] * 30 + [MS] * 100 + [CALENDAR_MS[1]]


@pytest.mark.parametrize("time_ms", [-(2**63), 2**63 - 1, 0, *PLAUSIBLE_MS, *CALENDAR_MS])
def test_any_number_has_words(time_ms: int) -> None:
    assert re.search(r"year -?\d+|\d{4}-\d\d-\d\d", moment(time_ms))
