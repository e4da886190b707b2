"""How numbers and names read: sensible digits, units, and what a metric means in plain words."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeGuard

from tasks.evaluate import catalogue
from tasks.evaluate.document import MeasuredNumber
from tasks.report.view import Cell, Tone

NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Measure:
    """How one metric is shown.

    Attributes:
        label: its name.
        meaning: what it says, for somebody who does not know the name.
        digits: decimals shown.
        unit: "s", "%" (the value is multiplied by 100) or "".
    """

    label: str
    meaning: str
    digits: int = 4
    unit: str = ""


SEGMENTS = {
    "duration_decile": "video duration",
    "scene": "scene",
    "is_new_user": "new and known users",
    "is_new_video": "new and known videos",
    "hour_block": "hour of the day",
    "popularity_decile": "views the video had before the day",
}


def measure(name: str) -> Measure:
    """Return how a metric is shown; one that is not in the catalogue keeps its name."""
    found = catalogue.find(name)
    if found is None:
        return Measure(name.replace("_", " "), "")
    return Measure(found.label, found.meaning, found.digits, found.unit)


def task(name: str) -> str:
    """Return a binary task in words."""
    return catalogue.task_label(name)


def segment(name: str) -> str:
    """Return a segmentation in words."""
    return SEGMENTS.get(name, name.replace("_", " "))


def defined(value: float | None) -> TypeGuard[float]:
    """Whether there is a number to show."""
    return value is not None and math.isfinite(value)


def number(value: float | None, how: Measure, signed: bool = False, unit: bool = True) -> str:
    """Return a number rounded to what is worth reading; a dash where it is undefined."""
    if not defined(value):
        return NOTHING
    shown = value * (100 if how.unit == "%" else 1)
    text = f"{shown:+,.{how.digits}f}" if signed else f"{shown:,.{how.digits}f}"
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")  # no sign before a zero
    suffix = f"\N{NO-BREAK SPACE}{how.unit}" if unit and how.unit else ""
    return text.replace("-", MINUS) + suffix


def small_number(value: float | None, how: Measure, signed: bool = False) -> str:
    """Return a number as `number` does, one that its digits would hide as a bound: "below 0.00005", or of what falls "above -0.00005".

    Args:
        value: a number that may be far smaller than the metric, such as a difference.
        how: the metric.
        signed: whether a plus is shown.
    """
    least = 0.5 * 10**-how.digits / (100 if how.unit == "%" else 1)
    if not defined(value) or value == 0 or abs(value) >= least:
        return number(value, how, signed)
    bound = number(least, replace(how, digits=how.digits + 1))
    return f"below {bound}" if value > 0 else f"above {MINUS}{bound}"


def interval(low: float | None, high: float | None, how: Measure, signed: bool = False) -> str:
    """Return "[low, high]"; nothing where it is undefined."""
    if not (defined(low) and defined(high)):
        return ""
    return f"[{number(low, how, signed, unit=False)}, {number(high, how, signed, unit=False)}]"


def measured_cell(found: MeasuredNumber, how: Measure, signed: bool = False) -> Cell:
    """Return a number with its interval below."""
    return Cell(number(found.value, how, signed), interval(found.low, found.high, how, signed), numeric=True)


def estimate_cell(name: str, estimate: MeasuredNumber | None) -> Cell:
    """Return a metric with its interval below.

    Args:
        name: the metric.
        estimate: None where the model does not have it.
    """
    if estimate is None or not defined(estimate.value):
        return Cell(NOTHING, numeric=True, tone="muted")
    return measured_cell(estimate, measure(name), signed=name == "tre_signed")


def difference_cell(name: str, value: float | None, low: float | None, high: float | None) -> Cell:
    """Return a paired difference with its interval below, coloured where the interval leaves zero out."""
    how = measure(name)
    return Cell(
        number(value, how, signed=True),
        interval(low, high, how, signed=True),
        numeric=True,
        tone=tone_of(name, low, high),
    )


def tone_of(name: str, low: float | None, high: float | None) -> Tone:
    """Return good, bad or plain: which way an interval of a difference leaves zero out."""
    if not (defined(low) and defined(high)) or low <= 0 <= high:
        return "plain"
    found = catalogue.find(name)
    higher = True if found is None else found.higher_is_better
    return "plain" if higher is None else "good" if (low > 0) == higher else "bad"


def p_text(p: float) -> str:
    """Return a p-value as it is printed."""
    return "-" if p != p else "<0.001" if p < 0.001 else f"{p:.3f}"


def count(value: int) -> str:
    """Return a whole number with separators."""
    return f"{value:,}"


def share(part: float, whole: float, digits: int = 1) -> str:
    """Return a part as a percentage; a dash of nothing."""
    return f"{100 * part / whole:.{digits}f}\N{NO-BREAK SPACE}%" if whole else NOTHING


def plural(amount: int, word: str, many: str = "") -> str:
    """Return "1 day", "2 days", "3 entries" (with `many` given)."""
    return f"{amount:,} {word if amount == 1 else many or word + 's'}"


def listed(names: Iterable[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    found = list(names)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}" if found else ""


def sentence(text: str, name: str | None = None) -> str:
    """Return text with a full stop, and with a capital unless it begins with a name.

    Args:
        text: a sentence.
        name: a name that it may begin with; any first word that holds more than letters is taken for one too.
    """
    text = text.strip()
    if not text:
        return ""
    first = text.split(maxsplit=1)[0].rstrip(",;:.")
    text = text[0].upper() + text[1:] if first.isalpha() and first != name else text
    return text if text.endswith((".", "!", "?")) else f"{text}."


def rank_of(name: str) -> int:
    """Return where a metric stands in a list: ranking first, then seconds, then the rest."""
    order = catalogue.READING_ORDER
    return order.index(name) if name in order else len(order)


def span(name: str) -> str:
    """Return a range as typographers write it."""
    return re.sub(r"(?<=\d)-(?=\d)", NOTHING, name).replace(">= ", "\N{GREATER-THAN OR EQUAL TO} ")


def short(identity: str) -> str:
    """Return the beginning of a hash, enough to tell it from others."""
    return identity[:12] if len(identity) > 24 else identity
