"""Colours can be told from what they stand on, on light and on dark pages: WCAG 2.2, computed from the style sheet."""

import itertools
import re
from pathlib import Path

import pytest

from tasks.report import html

STYLE = (Path(html.__file__).parent / "style.css").read_text()
TEXT, SHAPE = 4.5, 3.0
"""Least contrast of letters (1.4.3), and of what a drawing is made of (1.4.11)."""
GROUNDS = ("page", "card", "mark")
PAIRS = (
    *((ink, ground, TEXT) for ink in ("ink", "muted", "link", "good", "bad", "warn") for ground in GROUNDS),
    *((tone, f"{tone}-soft", TEXT) for tone in ("good", "bad", "warn")),
    *((f"series-{number}", "card", SHAPE) for number in range(6)),
)


def colours(dark: bool) -> dict[str, str]:
    light, _, rest = STYLE.partition("@media screen and (prefers-color-scheme: dark)")
    named = re.compile(r"--([\w-]+): (#[0-9a-f]{6})")
    return dict(named.findall(light)) | (dict(named.findall(rest[: rest.index("}")])) if dark else {})


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_has_its_published_values() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize(("ink", "ground", "least"), PAIRS)
@pytest.mark.parametrize("dark", [False, True])
def test_ink_stands_out(ink: str, ground: str, least: float, dark: bool) -> None:
    found = colours(dark)
    assert contrast(found[ink], found[ground]) >= least


@pytest.mark.parametrize("dark", [False, True])
def test_neighbouring_lines_differ(dark: bool) -> None:
    found = colours(dark)
    assert all(found[f"series-{a}"] != found[f"series-{b}"] for a, b in itertools.combinations(range(6), 2))


def test_dark_colours_are_of_the_screen_alone_and_none_is_missing() -> None:
    light, dark = colours(False), colours(True)
    assert light.keys() == dark.keys()
    assert [name for name in light if light[name] == dark[name]] == []
    assert set(re.findall(r"var\(--([\w-]+)\)", STYLE)) <= light.keys()
