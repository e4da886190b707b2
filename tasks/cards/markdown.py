"""Markdown of values that a log or a person has written: text stays text."""

import html
import re
from collections.abc import Iterable, Sequence


def words(text: object) -> str:
    """Return a value as one line of plain words: no markup, no table cell, no HTML of its own."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", html.escape(line, quote=False))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table."""
    lines = [heads, ["---"] * len(heads), *([words(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def points(items: Iterable[object]) -> str:
    """Return a list."""
    return "\n".join(f"- {words(item)}" for item in items)


def page(*parts: str) -> str:
    """Return parts as a page, without those that are empty."""
    return "\n\n".join(part for part in parts if part) + "\n"
