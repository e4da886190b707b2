"""How numbers and names read: sensible digits, units, and what a metric means in plain words."""

import math
import re
from dataclasses import dataclass
from typing import Any

from tasks.report.view import Cell, Tone

NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
LOWER_IS_BETTER = (
    "mae",
    "rmse",
    "rmse_ratio",
    "tre",
    "dce_rel",
    "dce_max",
    "dce_s",
    "pce",
    "skip@",
    "ece_",
    "logloss_",
)


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


MEASURES: dict[str, Measure] = {
    "xauc": Measure("XAUC", "share of pairs of impressions that the score puts in the order they were watched"),
    "xgauc": Measure("XGAUC", "the same among the impressions of one user, averaged over users by rows"),
    "video_xauc": Measure("Video-XAUC", "the same among the impressions of one video"),
    "duration_xauc": Measure("Duration-XAUC", "the same among videos of like duration: what duration cannot give"),
    "mae": Measure("MAE", "mean absolute error of the predicted median", 2, "s"),
    "rmse": Measure("RMSE", "root mean squared error of the predicted mean", 2, "s"),
    "rmse_ratio": Measure("Relative RMSE", "RMSE over the reference's, minus 1", 2, "%"),
    "tre_signed": Measure("Total error", "sum of predicted seconds off the sum of watched ones, signed", 1, "%"),
    "dce_rel": Measure("DCE", "calibration error by duration decile, averaged by rows", 1, "%"),
    "dce_max": Measure("Worst decile", "calibration error of the worst duration decile", 1, "%"),
    "pce": Measure("PCE", "calibration error by decile of the prediction", 1, "%"),
    "random_xauc": Measure("XAUC, exposed at random", "XAUC of the rows exposed at random: videos at large"),
    "random_auc_long_view": Measure("AUC long view, exposed at random", "AUC of long views of those rows"),
    "snips_xauc": Measure("XAUC, reweighted", "XAUC of logged rows, reweighted to uniform exposure (SNIPS)"),
    "snips_auc_long_view": Measure("AUC long view, reweighted", "AUC of long views, reweighted in the same way"),
    "xauc_new_user": Measure("XAUC, new users", "XAUC of users first seen that day"),
    "xauc_new_video": Measure("XAUC, new videos", "XAUC of videos first shown that day"),
}

TASKS = {
    "skip": "fast skip",
    "valid_play": "valid play",
    "long_view": "long view",
    "profile_enter": "profile visit",
}

SEGMENTS = {
    "duration_decile": "video duration",
    "scene": "scene",
    "is_new_user": "new and known users",
    "is_new_video": "new and known videos",
    "hour_block": "hour of the day",
    "popularity_decile": "views the video had before the day",
}


_METRIC = re.compile(
    r"\b(?:(?:auc|gauc|xauc|random|snips)_[a-z_]+|xgauc|xauc|rmse_ratio|mae)(?= [+\N{MINUS SIGN}(u-]|:)"
)
_ORDER = ("xauc", "xgauc", "mae", "rmse_ratio", "xauc_new_user", "xauc_new_video", "gauc_long_view", "auc_skip")


def measure(name: str) -> Measure:
    """Return how a metric is shown; one that is not listed keeps its name."""
    if name in MEASURES:
        return MEASURES[name]
    for prefix, label, meaning in (
        ("gauc_", "GAUC", "AUC among the impressions of one user, averaged over users by rows"),
        ("auc_", "AUC", "share of pairs of one positive and one negative put in order"),
        ("ece_", "ECE", "calibration error of the probability"),
    ):
        if name.startswith(prefix):
            return Measure(f"{label} {task(name.removeprefix(prefix))}", meaning)
    return Measure(name.replace("_", " "), "")


def task(name: str) -> str:
    """Return a binary task in words."""
    return TASKS.get(name, name.replace("_", " "))


def segment(name: str) -> str:
    """Return a segmentation in words."""
    return SEGMENTS.get(name, name.replace("_", " "))


def defined(value: Any) -> bool:
    """Whether there is a number to show."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def number(value: Any, how: Measure, signed: bool = False, unit: bool = True) -> str:
    """Return a number rounded to what is worth reading; a dash where it is undefined."""
    if not defined(value):
        return NOTHING
    shown = float(value) * (100 if how.unit == "%" else 1)
    text = f"{shown:+,.{how.digits}f}" if signed else f"{shown:,.{how.digits}f}"
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")  # no sign before a zero
    suffix = f"\N{NO-BREAK SPACE}{how.unit}" if unit and how.unit else ""
    return text.replace("-", MINUS) + suffix


def interval(low: Any, high: Any, how: Measure, signed: bool = False) -> str:
    """Return "[low, high]"; nothing where it is undefined."""
    if not (defined(low) and defined(high)):
        return ""
    return f"[{number(low, how, signed, unit=False)}, {number(high, how, signed, unit=False)}]"


def estimate_cell(name: str, estimate: Any) -> Cell:
    """Return a metric with its interval below.

    Args:
        name: the metric.
        estimate: mapping with `value`, `low`, `high`; None where the model does not have it.
    """
    how = measure(name)
    if not estimate or not defined(estimate.get("value")):
        return Cell(NOTHING, numeric=True, tone="muted")
    signed = name == "tre_signed"
    detail = interval(estimate.get("low"), estimate.get("high"), how, signed)
    return Cell(number(estimate["value"], how, signed), detail, numeric=True)


def difference_cell(name: str, value: Any, low: Any, high: Any) -> Cell:
    """Return a paired difference with its interval below, coloured where the interval leaves zero out."""
    how = measure(name)
    return Cell(
        number(value, how, signed=True),
        interval(low, high, how, signed=True),
        numeric=True,
        tone=tone_of(name, low, high),
    )


def tone_of(name: str, low: Any, high: Any) -> Tone:
    """Return good, bad or plain: which way an interval of a difference leaves zero out."""
    if not (defined(low) and defined(high)) or low <= 0 <= high:
        return "plain"
    return "good" if (low > 0) != name.startswith(LOWER_IS_BETTER) else "bad"


def count(value: int) -> str:
    """Return a whole number with separators."""
    return f"{value:,}"


def share(part: float, whole: float, digits: int = 1) -> str:
    """Return a part as a percentage; a dash of nothing."""
    return f"{100 * part / whole:.{digits}f}\N{NO-BREAK SPACE}%" if whole else NOTHING


def plural(amount: int, word: str, many: str = "") -> str:
    """Return "1 day", "2 days", "3 entries" (with `many` given)."""
    return f"{amount:,} {word if amount == 1 else many or word + 's'}"


def listed(names: Any) -> str:
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


def in_words(text: str) -> str:
    """Return a sentence of the gate with its metrics named as everywhere on the page."""
    return _METRIC.sub(lambda match: measure(match[0]).label, text)


def rank_of(name: str) -> int:
    """Return where a metric stands in a list: ranking first, then seconds, then the rest."""
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def span(name: str) -> str:
    """Return a range as typographers write it."""
    return re.sub(r"(?<=\d)-(?=\d)", NOTHING, name).replace(">= ", "\N{GREATER-THAN OR EQUAL TO} ")


def short(identity: str) -> str:
    """Return the beginning of a hash, enough to tell it from others."""
    return identity[:12] if len(identity) > 24 else identity
