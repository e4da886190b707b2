"""Numbers are rounded to what is worth reading, with their unit and their interval."""

import math

import pytest

from tasks.evaluate.document import MeasuredNumber
from tasks.report.formatting import (
    difference_cell,
    estimate_cell,
    interval,
    listed,
    measure,
    number,
    plural,
    sentence,
    share,
    span,
    tone_of,
)

MINUS, SPACE, DASH = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}", "\N{EN DASH}"


@pytest.mark.parametrize(
    ("name", "value", "signed", "shown"),
    [
        ("xauc", 0.67171, False, "0.6717"),
        ("mae", 18.0349, False, f"18.03{SPACE}s"),
        ("tre_signed", -0.0213, True, f"{MINUS}2.1{SPACE}%"),
        ("xauc", 0.00831, True, "+0.0083"),
        ("xauc", -0.00001, True, "0.0000"),
        ("xauc", math.nan, False, DASH),
        ("xauc", None, False, DASH),
    ],
)
def test_number(name: str, value: float | None, signed: bool, shown: str) -> None:
    assert number(value, measure(name), signed) == shown


def test_interval_is_empty_where_it_is_undefined() -> None:
    assert interval(0.1, None, measure("xauc")) == ""
    assert interval(-0.012, 0.0391, measure("tre_signed"), signed=True) == f"[{MINUS}1.2, +3.9]"


def test_estimate_stands_with_its_interval() -> None:
    cell = estimate_cell("mae", MeasuredNumber(value=18.03, low=17.75, high=18.31))
    assert (cell.text, cell.detail) == (f"18.03{SPACE}s", "[17.75, 18.31]")
    assert estimate_cell("mae", None).text == DASH


@pytest.mark.parametrize(
    ("name", "low", "high", "tone"),
    [
        ("xauc", 0.001, 0.003, "good"),
        ("xauc", -0.003, -0.001, "bad"),
        ("xauc", -0.001, 0.003, "plain"),
        ("mae", 0.1, 0.3, "bad"),
        ("rmse_ratio", -0.02, -0.01, "good"),
        ("xauc", None, None, "plain"),
    ],
)
def test_a_difference_is_coloured_only_where_its_interval_leaves_zero_out(
    name: str, low: float | None, high: float | None, tone: str
) -> None:
    assert tone_of(name, low, high) == tone


def test_difference_carries_sign_and_interval() -> None:
    cell = difference_cell("xauc", 0.0083, 0.0048, 0.0119)
    assert (cell.text, cell.detail, cell.tone) == ("+0.0083", "[+0.0048, +0.0119]", "good")


def test_sentences() -> None:
    assert sentence("wlr_mmoe passed") == "wlr_mmoe passed."
    assert sentence("scene 3: off by 0.2.") == "Scene 3: off by 0.2."
    assert sentence("latent passed", "latent") == "latent passed."
    assert (listed(["a"]), listed(["a", "b", "c"]), listed([])) == ("a", "a, b and c", "")
    assert (plural(1, "row"), plural(2000, "row"), plural(2, "entry", "entries")) == (
        "1 row",
        "2,000 rows",
        "2 entries",
    )
    assert (share(1, 8), share(0, 0)) == (f"12.5{SPACE}%", DASH)
    assert (span("58-68.3 s"), span(">= 43 s")) == (f"58{DASH}68.3 s", "\N{GREATER-THAN OR EQUAL TO} 43 s")
