"""What a person may write as rows, and what is refused."""

import datetime as dt
import re

import polars as pl
import pytest

from tasks.core.errors import ContractError
from tasks.inference.raw_rows import RawRows
from tasks.ingest.columns.identity import codes

SHOWN_MS = 1_768_500_000_000
NAMED = RawRows("Asia/Shanghai", (0, 1), ("feed", "search"), SHOWN_MS)
NUMBERED = RawRows("Asia/Shanghai", None, (), SHOWN_MS)
ONE_SCENE = RawRows("Asia/Shanghai", (3,), (), SHOWN_MS)

ROW = {"user_id": ["u7"], "video_id": ["007"], "scene": ["search"]}


def read(raw: RawRows, **columns: object) -> dict[str, list[object]]:
    return raw.candidates(pl.DataFrame(columns)).to_dict(as_series=False)


def test_rows_are_read_as_ingest_reads_them() -> None:
    expected = {
        "user_id": codes(pl.Series(["u7"])).to_list(),
        "video_id": codes(pl.Series(["007"])).to_list(),
        "scene": [1],
        "event_time_ms": [SHOWN_MS],
    }
    assert read(NAMED, **ROW) == expected
    numbers = read(ONE_SCENE, user_id=[7], video_id=["7"])
    assert (numbers["user_id"], numbers["video_id"], numbers["scene"]) == ([7], [7], [3])


def test_order_context_and_further_columns() -> None:
    given = {**ROW, "context_country": ["NZ"], "note": ["mine"], "duration_ms": [30_000.0], "position": ["4"]}
    found = read(NAMED, **{name: values * 2 for name, values in given.items()} | {"user_id": [9, 3]})
    assert found["user_id"] == [9, 3]
    assert (found["context_country"], found["duration_ms"], found["position"]) == (["NZ"] * 2, [30_000] * 2, [4] * 2)
    assert "note" not in found


@pytest.mark.parametrize(
    "moment",
    [1_768_500_000_000, dt.datetime(2026, 1, 16, 2, 0), dt.datetime(2026, 1, 15, 18, 0, tzinfo=dt.UTC)],
    ids=["milliseconds", "local to the source", "with a zone"],
)
def test_times(moment: object) -> None:
    assert read(NAMED, **ROW, event_time_ms=[moment])["event_time_ms"] == [1_768_500_000_000]


def test_a_row_without_a_time_among_others_is_shown_when_nights_score() -> None:
    times = read(ONE_SCENE, user_id=[1, 2], video_id=[1, 2], event_time_ms=[None, 5])["event_time_ms"]
    assert times == [SHOWN_MS, 5]


@pytest.mark.parametrize(
    ("raw", "changed", "message"),
    [
        (NAMED, {"user_id": [None]}, "column 'user_id' holds None, which cannot be read as user_id"),
        (NAMED, {"user_id": [1.5]}, "column 'user_id' holds 1.5, which cannot be read as user_id"),
        (NAMED, {"video_id": [-12]}, "column 'video_id' holds -12: inside dwell that is a code for text"),
        (NAMED, {"scene": ["shop"]}, "column 'scene' holds 'shop'; this source has feed, search"),
        (NAMED, {"scene": [None]}, "column 'scene' holds None; this source has feed, search"),
        (NUMBERED, {"scene": ["feed"]}, "column 'scene' holds 'feed', which cannot be read as scene"),
        (NAMED, {"duration_ms": ["long"]}, "column 'duration_ms' holds 'long', which cannot be read as duration_ms"),
        (NAMED, {"event_time_ms": ["now"]}, "column 'event_time_ms' holds 'now', which cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused(raw: RawRows, changed: dict[str, object], message: str) -> None:
    with pytest.raises(ContractError, match=re.escape("column")) as refused:
        read(raw, **ROW | changed)
    assert message in str(refused.value)


def test_what_is_missing_is_named_all_at_once() -> None:
    with pytest.raises(ContractError) as refused:
        read(NAMED, user_id=["u7"], videos=["v1"])
    assert str(refused.value).splitlines() == [
        "the rows lack video_id; they have user_id, videos",
        "the rows lack scene, the page they are shown on; this source has feed, search",
    ]


def test_a_skipped_local_hour_is_refused() -> None:
    raw = RawRows("Europe/Berlin", (0,), (), SHOWN_MS)
    with pytest.raises(ContractError, match="local times that Europe/Berlin skips: give them a zone"):
        read(raw, user_id=[1], video_id=[1], event_time_ms=[dt.datetime(2026, 3, 29, 2, 30)])
