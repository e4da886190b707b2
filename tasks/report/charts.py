"""Charts of the page as inline SVG: no script, no font to fetch, the same bytes for the same numbers.

Text stays text, so it can be read out, searched and set in the reader's own font. Colours are those of the page's style
sheet, so a chart is legible in its light and in its dark form (`tasks.report.svg`).
"""

import datetime as dt
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tasks.report.svg import CYCLE, GRID, INK, MUTED, embeddable

ACCENT = CYCLE[0]
WIDTH = 4.6
"""Inches. Narrow, so that letters are still readable where a phone shrinks the drawing to its own width."""
_MARKED = 60
"""Points of a line that are marked at most: a longer one is drawn as a line alone, and takes no more room than it shows."""

_STYLE: Any = {
    "svg.hashsalt": "dwell",  # ids are random otherwise
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9.5,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: its entry in the legend; "" for none.
        x: horizontal values.
        y: vertical values.
        colour: number of its colour; lines that belong together share one.
        dashed: whether it is the lesser of them.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dashed: bool = False


def intervals(
    rows: Sequence[tuple[str, float, float | None, float | None]],
    label: str,
    description: str,
    reference: float | None = None,
) -> str:
    """Draw one point with its interval per row.

    Args:
        rows: (name, value, low, high), drawn top to bottom; without ends (None) the point alone.
        label: what the horizontal axis measures, with its unit.
        description: the chart in words.
        reference: a value marked by a vertical line.
    """

    def draw(axes: Axes) -> None:
        for position, (_, value, low, high) in enumerate(rows):
            if low is not None and high is not None:
                axes.plot([low, high], [position, position], color=ACCENT, linewidth=2, solid_capstyle="round")
            axes.plot([value], [position], "o", color=ACCENT, markersize=5)
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(label)
        if reference is not None:
            axes.axvline(reference, color=MUTED, linewidth=1, linestyle="--")

    return _svg(draw, 0.6 + 0.26 * max(len(rows), 2), description)


def lines(series: Sequence[Series], x_label: str, y_label: str, description: str, whole_x: bool = False) -> str:
    """Draw lines; `whole_x` where only whole numbers mean something on the horizontal axis."""

    def draw(axes: Axes) -> None:
        for line in series:
            colour = CYCLE[line.colour % len(CYCLE)]
            style = "--" if line.dashed else "-"
            marker = "o" if len(line.x) <= _MARKED else ""
            axes.plot(
                line.x, line.y, style, marker=marker, markersize=3, linewidth=1.5, color=colour, label=line.name or None
            )
        if whole_x:
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        _legend(axes, [line.name for line in series])

    return _svg(draw, 2.7, description)


def over_days(
    days: Sequence[dt.date],
    values: Sequence[float],
    label: str,
    description: str,
    bands: Sequence[tuple[float, float]] | None = None,
) -> str:
    """Draw one number per day; a band holds its intervals. A day that is missing breaks the line.

    Args:
        days: in order.
        values: one per day.
        label: what the vertical axis measures, with its unit.
        description: the chart in words.
        bands: ends of the interval of each; None: they have none.
    """
    every = [days[0] + dt.timedelta(days=i) for i in range((days[-1] - days[0]).days + 1)]
    place = {day: index for index, day in enumerate(days)}
    gap = float("nan")

    def spread(numbers: Sequence[float]) -> list[float]:
        return [numbers[place[day]] if day in place else gap for day in every]

    def draw(axes: Axes) -> None:
        if bands is not None:
            low, high = (spread([band[end] for band in bands]) for end in (0, 1))
            axes.fill_between(every, low, high, color=ACCENT, alpha=0.18, linewidth=0)  # type: ignore[arg-type]
        axes.plot(every, spread(values), color=ACCENT, marker="o", markersize=3, linewidth=1.5)  # type: ignore[arg-type]
        locator = AutoDateLocator(minticks=2, maxticks=6)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.set_ylabel(label)

    return _svg(draw, 2.4, description)


def reliability(series: Sequence[Series], unit: str, description: str) -> str:
    """Draw observed (y) against predicted (x) means, with the diagonal of a calibrated model."""

    def draw(axes: Axes) -> None:
        top = max((value for line in series for value in (*line.x, *line.y)), default=1.0) or 1.0
        axes.plot([0, top], [0, top], color=MUTED, linewidth=1, linestyle="--")
        for line in series:
            colour = CYCLE[line.colour % len(CYCLE)]
            axes.plot(line.x, line.y, marker="o", markersize=3, linewidth=1.2, color=colour, label=line.name or None)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(f"predicted, {unit}")
        axes.set_ylabel(f"observed, {unit}")
        _legend(axes, [line.name for line in series])

    return _svg(draw, 3.0, description)


def stacked_bars(labels: Sequence[str], parts: Mapping[str, Sequence[float]], y_label: str, description: str) -> str:
    """Draw one bar per label, stacked from the named parts."""

    def draw(axes: Axes) -> None:
        base = [0.0] * len(labels)
        for colour, (name, values) in zip(cycle(CYCLE), parts.items(), strict=False):
            axes.bar(range(len(labels)), values, bottom=base, color=colour, label=name, width=0.7)
            base = [low + value for low, value in zip(base, values, strict=True)]
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_ylim(0, max([*base, 1]) * 1.18)  # room for the legend
        axes.grid(axis="x", visible=False)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_ylabel(y_label)
        axes.legend(loc="upper left", ncols=2)

    return _svg(draw, 2.7, description)


def bars(rows: Sequence[tuple[str, float]], label: str, description: str) -> str:
    """Draw one horizontal bar per row, top to bottom."""

    def draw(axes: Axes) -> None:
        axes.barh(range(len(rows)), [value for _, value in rows], color=ACCENT, height=0.6)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(label)

    return _svg(draw, 0.6 + 0.24 * max(len(rows), 2), description)


def _legend(axes: Axes, names: Iterable[str]) -> None:
    if any(names):
        axes.legend()


def _svg(draw: Callable[[Axes], None], height: float, description: str) -> str:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever a matplotlibrc of this machine says
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return embeddable(buffer.getvalue(), description)
