"""What the page is made of: plain values that the template turns into HTML, and that tests can read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Tone = Literal["plain", "good", "bad", "warn", "muted"]


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: the main text.
        detail: smaller text below, such as the interval of a number.
        numeric: whether it is set flush right.
        tone: what the colour says; the words say it too.
        code: whether it is something to copy (an id, a hash).
        link: page it leads to, relative to this one; "" for none.
    """

    text: str
    detail: str = ""
    numeric: bool = False
    tone: Tone = "plain"
    code: bool = False
    link: str = ""


@dataclass(frozen=True)
class TableHead:
    """Heading of a column; `detail` names the unit or the prediction column used."""

    text: str
    detail: str = ""
    numeric: bool = False


@dataclass(frozen=True)
class TableRow:
    """One line of a table; the first cell names it."""

    cells: tuple[Cell, ...]
    marked: bool = False


@dataclass(frozen=True)
class PageTable:
    """A table that scrolls inside its own box where the screen is narrow."""

    caption: str
    heads: tuple[TableHead, ...]
    rows: tuple[TableRow, ...]
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Plot:
    """A drawing as data.

    Attributes:
        spec: what Vega-Lite draws (`tasks.report.charts`).
        description: the same in words, for those who cannot see it.
    """

    spec: Mapping[str, Any]
    description: str


@dataclass(frozen=True)
class Chart:
    """A drawing with its caption."""

    caption: str
    plot: Plot
    kind: Literal["chart"] = "chart"


@dataclass(frozen=True)
class Charts:
    """Charts side by side where there is room."""

    charts: tuple[Chart, ...]
    kind: Literal["charts"] = "charts"


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    tone: Tone = "plain"
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    items: tuple[str, ...]
    kind: Literal["points"] = "points"


@dataclass(frozen=True)
class Commands:
    """Lines to copy into a shell."""

    lines: tuple[str, ...]
    kind: Literal["commands"] = "commands"


@dataclass(frozen=True)
class Heading:
    """A heading inside a section, with a word on how it stands."""

    text: str
    badge: str = ""
    tone: Tone = "plain"
    kind: Literal["heading"] = "heading"


@dataclass(frozen=True)
class Details:
    """Something long, folded away."""

    summary: str
    blocks: tuple["PageBlock", ...]
    kind: Literal["details"] = "details"


PageBlock = PageTable | Chart | Charts | Text | Points | Commands | Heading | Details


@dataclass(frozen=True)
class Section:
    """A part of the page with an anchor."""

    id: str
    title: str
    blocks: tuple[PageBlock, ...]


@dataclass(frozen=True)
class Fact:
    """One of the numbers at the top; the tone is that of the detail."""

    label: str
    value: str
    detail: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True)
class Top:
    """The decision, as it stands at the top of the page.

    Attributes:
        verdict: one word or two.
        tone: good, warn or bad.
        headline: what happens tomorrow, in one sentence.
        reasons: why, one sentence each.
        facts: the numbers to remember.
        attention: what a person should look at; empty on a quiet night.
    """

    verdict: str
    tone: Tone
    headline: str
    reasons: tuple[str, ...]
    facts: tuple[Fact, ...]
    attention: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """Everything the template needs."""

    title: str
    subtitle: str
    top: Top
    sections: tuple[Section, ...]


def fold(summary: str, *blocks: PageBlock) -> Details:
    """Return blocks folded away."""
    return Details(summary, blocks)
