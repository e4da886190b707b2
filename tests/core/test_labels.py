import itertools

import polars as pl
import pytest

from tasks.core import labels

_EDGES = [0, 1, 2_999, 3_000, 3_001, 6_999, 7_000, 7_001, 17_999, 18_000, 18_001, 60_000, 150_000]


def _label(play: int, duration: int, recorded: int | None = None) -> dict[str, int]:
    row = pl.LazyFrame(
        {"watch_ms": [play], "duration_ms": [duration], "long_view": [recorded]},
        schema={"watch_ms": pl.Int64, "duration_ms": pl.Int64, "long_view": pl.Int8},
    )
    return labels.with_labels(row).collect().row(0, named=True)


@pytest.mark.parametrize(
    ("play", "duration", "skip", "valid_play", "long_view", "finish"),
    [
        (0, 60_000, 1, 0, 0, 0),
        (2_999, 60_000, 1, 0, 0, 0),
        (3_000, 60_000, 0, 0, 0, 0),
        (7_000, 60_000, 0, 0, 0, 0),
        (7_001, 60_000, 0, 1, 0, 0),
        (17_999, 60_000, 0, 1, 0, 0),
        (18_000, 60_000, 0, 1, 1, 0),
        (60_000, 60_000, 0, 1, 1, 1),
        (1_999, 2_000, 1, 0, 0, 0),
        (2_000, 2_000, 0, 1, 1, 1),
        (7_000, 7_000, 0, 1, 1, 1),
        (6_999, 7_000, 0, 0, 0, 0),
        (17_999, 18_000, 0, 1, 0, 0),
    ],
)
def test_rules_at_their_edges(
    play: int, duration: int, skip: int, valid_play: int, long_view: int, finish: int
) -> None:
    row = _label(play, duration)
    assert (row["skip"], row["valid_play"], row["long_view"], row["finish"]) == (skip, valid_play, long_view, finish)


def test_recorded_long_view_wins_over_the_rule() -> None:
    assert _label(0, 60_000, recorded=1)["long_view"] == 1
    assert _label(60_000, 60_000, recorded=0)["long_view"] == 0


def test_rule_labels_are_an_ordinal_chain() -> None:
    for play, duration in itertools.product(_EDGES, _EDGES[1:]):
        row = _label(play, duration)
        assert row["finish"] <= row["long_view"] <= row["valid_play"] <= 1 - row["skip"], (play, duration)
