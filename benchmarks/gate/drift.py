"""The champion's true quality over a year of nightly refreshes that each lose a little: before the anchor, and with it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.gate.lives import YEAR
from benchmarks.gate.promotions import Settings, over_worlds
from benchmarks.gate.refreshes import Refits, Refreshed, refreshed
from benchmarks.parts.part import Table
from tasks.gate.config import GatePolicy
from tasks.report import charts
from tasks.report.view import Plot

CHANGES = (0.0, -0.00005, -0.0001, -0.0002, -0.0005, -0.001)
SLOW = (0.0, -0.00002, -0.00005)
ANCHORS = (28, 91, 182)
DRAWN = (-0.00005, -0.0002, -0.0005)
NIGHTS = (60, YEAR)
SHARE = 20
"""Of the worlds of other parts one in so many is followed: their nights go one by one through the product's checks."""
RULES = {"former": "champion alone", "gate": "champion and anchor"}


def run(settings: Settings) -> list[Table]:
    """Return what a year of refreshes ends at."""
    few = replace(settings, worlds=max(2, settings.worlds // SHARE))
    cells = [Refits(change, rule) for change in CHANGES for rule in ("former", "gate")]
    found = dict(zip(cells, over_worlds(refreshed, cells, few), strict=True))
    return [_yearly(found, few), _anchors(few)]


def _yearly(found: dict[Refits, list[Refreshed]], few: Settings) -> Table:
    return Table(
        title="Refreshes that are each truly worse than the champion they replace: its true XAUC against the first one's",
        columns=[
            "each refit", "held to", *(f"night {night}, mean [lowest]" for night in NIGHTS),
            *(f"accepted by night {night}, %" for night in NIGHTS), "anchor moved, times a year",
        ],
        rows=[[f"{c.change:+.5f}", RULES[c.rule], *_ends(one), *_accepted(one), _moves(c, one)] for c, one in found.items()],
        notes=[
            f"{few.worlds} worlds a row, the same nights for all. Guardrails included.",
            "A refit is that much worse than the champion of its night, so a refusal ends the fall and a passed one carries "
            "it on. The anchor is compared on the same rows; a model that has aged may differ more, and then its error is "
            "larger than here.",
        ],
        numbers={
            f"{c.change} {c.rule}": {"level": [list(f.level_N[[n - 1 for n in NIGHTS]]) for f in one], "anchors": [f.anchors for f in one]}
            for c, one in found.items()
        },
        figure=_figure(found),
    )  # fmt: skip


def _anchors(few: Settings) -> Table:
    cells = [Refits(change, policy=GatePolicy(anchor_nights=nights)) for nights in ANCHORS for change in SLOW]
    found = dict(zip(cells, over_worlds(refreshed, cells, few), strict=True))
    return Table(
        title="Losses too small to be seen in one anchor's time, by the nights after which an anchor may move",
        columns=["gate.anchor_nights", "each refit", f"night {YEAR}, mean [lowest]", "accepted, %", "anchor moved", "loss counted"],
        rows=[
            [
                str(cell.policy.anchor_nights), f"{cell.change:+.5f}", _ends(one)[-1], _accepted(one)[-1], _moves(cell, one),
                f"{np.mean([world.lost for world in one]):.4f}",
            ]
            for cell, one in found.items()
        ],
        notes=[
            f"{few.worlds} worlds a row. \"Loss counted\" is what the moves of the anchor have spent of two margins: the mean of all "
            "nights since the last move, which lags behind the level that the champion has reached by then.",
        ],
        numbers={
            f"{c.policy.anchor_nights} {c.change}": [[float(f.level_N[-1]), f.lost, f.anchors] for f in one]
            for c, one in found.items()
        },
    )  # fmt: skip


def _ends(found: Sequence[Refreshed]) -> list[str]:
    levels = np.array([one.level_N for one in found])
    return [f"{levels[:, n - 1].mean():+.4f} [{levels[:, n - 1].min():+.4f}]" for n in NIGHTS]


def _accepted(found: Sequence[Refreshed]) -> list[str]:
    taken = np.array([[kind != "" for kind in one.kind_N] for one in found])
    return [f"{100 * taken[:, :night].mean():.1f}" for night in NIGHTS]


def _moves(cell: Refits, found: Sequence[Refreshed]) -> str:
    return "" if cell.rule == "former" else f"{np.mean([one.anchors for one in found]):.1f}"


def _figure(found: dict[Refits, list[Refreshed]]) -> Plot:
    nights = [1, 7, 14, 21, 28, 45, 60, 90, 120, 180, 270, YEAR]
    series = []
    for colour, change in enumerate(DRAWN):
        for rule in ("former", "gate"):
            mean = np.mean([one.level_N for one in found[Refits(change, rule)]], axis=0)
            # Beyond this the lines of the former rule leave the page.
            kept = [night for night in nights if mean[night - 1] > -0.05]
            name = f"{change:+.5f}, {'before' if rule == 'former' else 'now'}"
            series.append(charts.Series(name, kept, [mean[night - 1] for night in kept], colour, rule == "former"))
    return charts.lines(
        series, "night", "true XAUC against night 0", "True XAUC of the champion over nights of small losses"
    )
