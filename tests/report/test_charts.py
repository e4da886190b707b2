"""Charts hold the numbers they were given, in order, and nothing that a text says is more than text."""

import datetime as dt
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tasks.report import charts, vega
from tasks.report.view import Plot
from tests.hostile import HOSTILE
from tests.report.wide_font import LETTER, write_wide_font

FIELDS = {"name", "value", "low", "high", "series", "x", "y", "label", "place", "day", "night", "bottom", "top"}
"""Names of fields; all are ours."""
DRAWN: dict[str, Callable[[], Plot]] = {
    "intervals": lambda: charts.intervals(
        [("a & <b>", 0.6, 0.5, 0.7), ("$x_1$", 0.7, 0.65, 0.8), ("bare", 0.5, None, None)], "XAUC", 'two "names"', 0.6
    ),
    "lines": lambda: charts.lines(
        [charts.Series("seed 0", [1, 2, 3], [3, 2, 1]), charts.Series("", [1, 2], [2, 2], 1, True)],
        "epoch",
        "loss",
        "falls",
        True,
    ),
    "over_days": lambda: charts.over_days(
        [dt.date(2026, 1, 30), dt.date(2026, 2, 2)], [0.6, 0.7], "XAUC", "two nights", [(0.5, 0.7), (0.6, 0.8)]
    ),
    "reliability": lambda: charts.reliability([charts.Series("", [0.1, 0.4], [0.2, 0.3])], "s", "nearly calibrated"),
    "stacked_bars": lambda: charts.stacked_bars(
        ["01-01", "01-02"], {"kept": [5, 6], "lost": [1, 0]}, "rows", "two days"
    ),
    "bars": lambda: charts.bars([("ingest", 3.0), ("train", 9.0)], "seconds", "two stages"),
    "nothing": lambda: charts.reliability([], "s", "no bins"),
}


def values(plot: Plot) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plot.spec["data"]["values"]
    return found


def walk(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every key of a specification with its value, but for those of data."""
    yield key, value
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "values":
                yield from walk(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, key)


def drawn_texts(plot: Plot) -> set[str]:
    root = ElementTree.fromstring(vega.still(plot))
    return {"".join(text.itertext()) for text in root.iter() if text.tag.endswith("text")}


def test_intervals_hold_every_row_in_order() -> None:
    plot = DRAWN["intervals"]()
    assert values(plot) == [
        {"name": "a & <b>", "value": 0.6, "low": 0.5, "high": 0.7},
        {"name": "$x_1$", "value": 0.7, "low": 0.65, "high": 0.8},
        {"name": "bare", "value": 0.5},
    ]
    rule, point, reference = plot.spec["layer"]
    assert rule["encoding"]["y"]["scale"]["domain"] == ["a & <b>", "$x_1$", "bare"]
    assert (rule["encoding"]["x"]["field"], rule["encoding"]["x2"]["field"]) == ("low", "high")
    assert [said["field"] for said in point["encoding"]["tooltip"]] == ["name", "value", "low", "high"]
    assert reference["encoding"]["x"] == {"datum": 0.6}
    low, high = point["encoding"]["x"]["scale"]["domain"]
    assert low < 0.5 and high > 0.8


def test_lines_hold_every_series_and_break_where_there_is_no_number() -> None:
    series = [
        charts.Series("seed 0, fit", [1, 2, 3], [3.0, math.nan, 1.0], 2, True),
        charts.Series("seed 0", [3, 1, 2], [2, 2, math.inf], 2),
    ]
    plot = charts.lines(series, "epoch", "loss", "falls")
    first = [{"series": "seed 0, fit", "x": x, "y": y} for x, y in ((1, 3.0), (2, None), (3, 1.0))]
    assert values(plot) == [*first, *({"series": "seed 0", "x": x, "y": y} for x, y in ((3, 2), (1, 2), (2, None)))]
    line, _ = plot.spec["layer"]
    assert line["encoding"]["color"]["scale"] == {
        "domain": ["seed 0, fit", "seed 0"],
        "range": ["var(--series-2)", "var(--series-2)"],
    }
    assert (
        line["encoding"]["strokeDash"]["scale"]["range"][1]
        == [1, 0]
        != line["encoding"]["strokeDash"]["scale"]["range"][0]
    )
    assert line["encoding"]["order"] == {"value": None}, "a curve over a parameter may turn back"


def test_days_without_a_number_are_there_and_break_the_line() -> None:
    plot = DRAWN["over_days"]()
    assert [row["night"] for row in values(plot)] == ["2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02"]
    assert [row["value"] for row in values(plot)] == [0.6, None, None, 0.7]
    assert [(row["low"], row["high"]) for row in values(plot)] == [(0.5, 0.7), (None, None), (None, None), (0.6, 0.8)]
    line = [
        element for element in ElementTree.fromstring(vega.still(plot)).iter() if element.get("stroke-width") == "1.5"
    ]
    assert [element.get("d", "").count("M") for element in line] == [2], "in two parts"


def test_intervals_of_days_are_a_band_and_a_stroke_where_a_day_stands_alone() -> None:
    days = [dt.date(2026, 1, day) for day in (1, 2, 4)]
    plot = charts.over_days(days, [0.6, 0.6, 0.7], "XAUC", "three nights", [(0.5, 0.7), (0.5, 0.7), (0.6, 0.8)])
    alone = [(row["night"], row["bottom"], row["top"]) for row in values(plot) if "bottom" in row]
    assert alone == [("2026-01-04", 0.6, 0.8)]
    drawn = [
        element.get("stroke")
        for element in ElementTree.fromstring(vega.still(plot)).iter()
        if element.tag.endswith("line")
    ]
    assert drawn.count(charts.CYCLE[0]) == 1


def test_bars_are_stacked_from_the_first_part_up() -> None:
    plot = DRAWN["stacked_bars"]()
    assert [(row["label"], row["series"], row["value"], row["place"]) for row in values(plot)] == [
        ("01-01", "kept", 5, 0),
        ("01-02", "kept", 6, 0),
        ("01-01", "lost", 1, 1),
        ("01-02", "lost", 0, 1),
    ]
    (bar,) = plot.spec["layer"]
    assert bar["encoding"]["order"] == {"field": "place"}
    assert bar["encoding"]["y"]["scale"]["domain"] == [0, 6]
    assert values(DRAWN["bars"]()) == [{"name": "ingest", "value": 3.0}, {"name": "train", "value": 9.0}]


def test_reliability_is_drawn_against_the_diagonal() -> None:
    diagonal, line, _ = DRAWN["reliability"]().spec["layer"]
    ends = {place: end["datum"] for place, end in diagonal["encoding"].items()}
    assert ends == {"x": 0, "y": 0, "x2": 0.4, "y2": 0.4}
    assert line["encoding"]["x"]["scale"] == line["encoding"]["y"]["scale"]


def test_series_are_chosen_in_a_legend_where_there_are_several() -> None:
    two = charts.lines([charts.Series("a", [1], [1]), charts.Series("b", [1], [2])], "x", "y", "two")
    chosen = {"param": "chosen", "value": 1}
    assert all(layer["encoding"]["opacity"]["condition"] == chosen for layer in two.spec["layer"])
    params = [param["name"] for layer in two.spec["layer"] for param in layer.get("params", ())]
    assert params == ["chosen", "zoom"]
    one = [param["name"] for layer in DRAWN["lines"]().spec["layer"] for param in layer.get("params", ())]
    assert one == ["zoom"]


@pytest.mark.parametrize("kind", DRAWN)
def test_a_still_picture_is_the_same_bytes_sound_and_self_contained(kind: str) -> None:
    plot = DRAWN[kind]()
    svg = vega.still(plot)
    assert svg == vega.still(DRAWN[kind]())
    assert "graphics-symbol" not in svg, "marks are no pictures of their own, which would want words each"
    root = ElementTree.fromstring(svg)
    addresses = set(re.findall(r'"(\w+://[^"]*)"', svg))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}, (
        "names of XML, which nobody fetches"
    )
    assert "<script" not in svg and "<style" not in svg and "<image" not in svg
    assert not re.search(r'(fill|stroke)="(?!none|transparent|var\(--)', svg), "every colour is one of the style sheet"
    assert not [element for element in root.iter() if element.get("id") or element.get("clip-path")]
    assert float(root.get("width", "0")) == pytest.approx(charts.WIDTH, abs=20)


def test_a_still_picture_does_not_know_the_fonts_of_its_machine(tmp_path: Path) -> None:
    """Letters that ours lack are measured by whatever else the engine finds, so it finds nothing."""
    write_wide_font(tmp_path)
    found = tmp_path / "fonts.conf"
    found.write_text(f'<?xml version="1.0"?><fontconfig><dir>{tmp_path}</dir></fontconfig>', encoding="utf-8")
    drawn = []
    for draw in ("vega.still(plot)", "vl_convert.vegalite_to_svg(plot.spec, config=CONFIG)"):
        code = f"""import os, vl_convert
from tasks.report import charts, vega
from tasks.report.chart_style import CONFIG
plot = charts.bars([(chr({LETTER}), 1.0)], "seconds", "one")
print({draw}, os.environ["FONTCONFIG_FILE"])"""
        environment = os.environ | {"FONTCONFIG_FILE": str(found), "PYTHONUTF8": "1"}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
        picture, _, told = done.stdout.decode().strip().rpartition(" ")
        assert told == str(found), "what was told to the process before is told to its children"
        drawn.append(picture)
    assert drawn[0] == vega.still(charts.bars([(chr(LETTER), 1.0)], "seconds", "one"))
    assert drawn[1] != drawn[0], "the font is one that an engine finds"


@pytest.mark.parametrize("kind", DRAWN)
def test_colours_and_fields_are_ours_and_nothing_is_an_expression(kind: str) -> None:
    for key, value in walk(dict(DRAWN[kind]().spec)):
        assert key not in ("expr", "signal", "test", "calculate", "labelExpr", "filter", "url", "href")
        assert key != "field" or value in FIELDS
        assert key != "color" or isinstance(value, dict) or value.startswith("var(--")


def test_names_and_descriptions_are_escaped_and_no_formula_is_read_into_them() -> None:
    plot = DRAWN["intervals"]()
    assert plot.description == 'two "names"'
    assert {"a & <b>", "$x_1$"} <= drawn_texts(plot)


def test_hostile_texts_stay_texts_wherever_they_stand() -> None:
    """As names of rows, series, parts, labels and units: the same data come back, and no element of a page is ended."""
    numbers = [float(number) for number in range(len(HOSTILE))]
    rows = [(name, value, value - 1, value + 1) for name, value in zip(HOSTILE, numbers, strict=True)]
    plots = [
        charts.intervals(rows, HOSTILE[2], HOSTILE[2]),
        charts.lines([charts.Series(name, [1, 2], [1, 2]) for name in HOSTILE], HOSTILE[2], HOSTILE[1], HOSTILE[0]),
        charts.stacked_bars(list(HOSTILE), dict.fromkeys(HOSTILE[:4], numbers), HOSTILE[2], HOSTILE[0]),
        charts.bars([(name, 1.0) for name in HOSTILE], HOSTILE[2], HOSTILE[0]),
    ]
    for plot in plots:
        embedded = vega.embedded(plot.spec)
        assert not set("<>&") & set(embedded)
        assert json.loads(embedded) == plot.spec
        assert {value for key, value in walk(dict(plot.spec)) if key == "field"} <= FIELDS
        assert "<script" not in vega.still(plot)
    whole = [re.sub("[\x00-\x08\x0e-\x1f]", "\ufffd", name) for name in HOSTILE]
    kept = [name if len(name) <= 80 else f"{name[:80]}..." for name in whole]
    assert [row["name"] for row in values(plots[0])] == kept


def test_characters_that_no_drawing_may_hold_are_replaced() -> None:
    plot = charts.intervals([("a\x00\x1b[31mb\ufffe", 0.6, 0.5, 0.7)], "XAUC", "one \x00")
    assert "a\ufffd\ufffd[31mb\ufffd" in drawn_texts(plot)
    assert plot.description == "one \ufffd"


def test_rows_of_one_name_stay_apart() -> None:
    rows = [("a", 1.0, 0.0, 2.0), ("a", 3.0, 2.0, 4.0), ("a (2)", 5.0, 4.0, 6.0), ("", 7.0, 6.0, 8.0)]
    assert [row["name"] for row in values(charts.intervals(rows, "XAUC", "four"))] == ["a", "a (2)", "a (2) (3)", "4"]


@pytest.mark.parametrize(
    ("largest", "form"),
    [(0.6512, ",.4~f"), (0.0123, ",.5~f"), (31.25, ",.2~f"), (8120.0, ",.0~f"), (0.0, ",.0~f"), (1.0, ",.3~f")],
)
def test_tooltips_round_to_four_digits_of_the_largest_number(largest: float, form: str) -> None:
    plot = charts.bars([("a", largest / 3), ("b", -largest)], "seconds", "two")
    assert plot.spec["layer"][0]["encoding"]["tooltip"][1]["format"] == form


def test_numbers_that_are_none_leave_a_hole_and_end_no_report() -> None:
    rows = charts.bars([("a", math.nan), ("b", math.inf), ("c", 2.0)], "seconds", "three")
    assert [row["value"] for row in values(rows)] == [None, None, 2.0]
    assert rows.spec["layer"][0]["encoding"]["x"]["scale"]["domain"] == [0, 2.0]
    stacked = charts.stacked_bars(["a", "b"], {"kept": [math.nan, 1], "lost": [math.inf, 4]}, "rows", "two")
    assert stacked.spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == [0, 5]
    for plot in (rows, stacked, charts.over_days([], [], "XAUC", "no nights"), charts.bars([], "seconds", "none")):
        assert vega.still(plot)


def ticks(plot: Plot) -> list[str]:
    root = ElementTree.fromstring(vega.still(plot))
    (labels, *_) = (group for group in root.iter() if "role-axis-label" in group.get("class", ""))
    return ["".join(text.itertext()) for text in labels.iter() if text.tag.endswith("text")]


@pytest.mark.parametrize(
    ("nights", "shown"),
    [
        (60, ["01 Feb", "13 Feb", "25 Feb", "01 Mar", "13 Mar", "25 Mar"]),
        (90, ["Feb", "Mar", "Apr"]),
        (365, ["Apr", "Jul", "Oct", "Jan"]),
        (500, ["Jul 2025", "Jan 2026"]),
    ],
)
def test_an_axis_of_many_nights_counts_months_and_says_the_year(nights: int, shown: list[str]) -> None:
    days = [dt.date(2025, 1, 31) + dt.timedelta(days=number) for number in range(nights)]
    assert ticks(charts.over_days(days, [0.6] * nights, "XAUC", "many nights")) == shown


def test_a_legend_names_every_series_and_labels_of_days_leave_each_other_room() -> None:
    many = charts.lines([charts.Series(f"seed {n}", [1, 2], [1, n]) for n in range(40)], "epoch", "loss", "of forty")
    assert {f"seed {number}" for number in range(40)} <= drawn_texts(many)
    days = charts.stacked_bars([f"01-{day:02}" for day in range(61)], {"kept": [5] * 61}, "rows", "of many days")
    labels = re.findall(r'opacity="(\d)">01-\d\d<', vega.still(days))
    assert labels.count("0") > 30 and labels.count("1") > 5


def test_a_file_of_its_own_brings_its_colours_and_its_words() -> None:
    svg = vega.alone(DRAWN["bars"]())
    root = ElementTree.fromstring(svg)
    title, style = root[0], root[1]
    assert title.text == "two stages"
    named = set(re.findall(r"var\((--[\w-]+)\)", svg))
    assert named and all(re.search(rf"{name}: #[0-9a-f]{{6}}", style.text or "") for name in named)
