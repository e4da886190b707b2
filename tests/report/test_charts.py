"""Charts are the same bytes for the same numbers, describe themselves, and fetch nothing."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from tasks.report import charts

DRAWN: dict[str, Callable[[], str]] = {
    "intervals": lambda: charts.intervals(
        [("a & <b>", 0.6, 0.5, 0.7), ("$x_1$", 0.7, 0.65, 0.8)], "XAUC", 'two "names"', 0.6
    ),
    "lines": lambda: charts.lines(
        [charts.Series("seed 0", [1, 2, 3], [3, 2, 1]), charts.Series("", [1, 2], [2, 2], 1, True)],
        "epoch",
        "loss",
        "falls",
        True,
    ),
    "reliability": lambda: charts.reliability([charts.Series("", [0.1, 0.4], [0.2, 0.3])], "s", "nearly calibrated"),
    "stacked_bars": lambda: charts.stacked_bars(
        ["01-01", "01-02"], {"kept": [5, 6], "lost": [1, 0]}, "rows", "two days"
    ),
    "bars": lambda: charts.bars([("ingest", 3.0), ("train", 9.0)], "seconds", "two stages"),
    "nothing": lambda: charts.reliability([], "s", "no bins"),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_equal_numbers_give_equal_bytes(kind: str) -> None:
    assert DRAWN[kind]() == DRAWN[kind]()


@pytest.mark.parametrize("kind", DRAWN)
def test_chart_is_sound_and_self_contained(kind: str) -> None:
    svg = DRAWN[kind]()
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert "http" not in svg and "<script" not in svg and "<style" not in svg and "font-family" not in svg
    assert not re.search(r"(fill|stroke): *#", svg), "every colour is one of the style sheet"
    ids = re.findall(r'\bid="([^"]+)"', svg)
    referred = re.findall(r'(?:url\(|href=")#([^")]+)', svg)
    assert len(ids) == len(set(ids))
    assert set(referred) <= set(ids)


def test_charts_of_one_page_share_no_ids() -> None:
    ids = [set(re.findall(r'\bid="([^"]+)"', draw())) for draw in DRAWN.values()]
    assert len(set.union(*ids)) == sum(map(len, ids))


def test_names_and_descriptions_are_escaped_and_no_formula_is_read_into_them() -> None:
    svg = DRAWN["intervals"]()
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == 'two "names"'
    assert {"a & <b>", "$x_1$"} <= {"".join(text.itertext()) for text in root.iter() if text.tag.endswith("text")}


def test_characters_that_no_drawing_may_hold_are_replaced() -> None:
    svg = charts.intervals([("a\x00\x1b[31mb\ufffe", 0.6, 0.5, 0.7)], "XAUC", "one")
    texts = {"".join(text.itertext()) for text in ElementTree.fromstring(svg).iter() if text.tag.endswith("text")}
    assert "a\ufffd\ufffd[31mb\ufffd" in texts


def test_a_different_number_is_a_different_drawing() -> None:
    first = charts.intervals([("a", 0.6, 0.5, 0.7)], "XAUC", "one")
    assert first != charts.intervals([("a", 0.61, 0.5, 0.7)], "XAUC", "one")


def test_a_matplotlibrc_changes_nothing() -> None:
    import matplotlib

    before = DRAWN["lines"]()
    with matplotlib.rc_context({"lines.linewidth": 9.0, "axes.facecolor": "red", "axes.grid": False}):
        assert DRAWN["lines"]() == before
