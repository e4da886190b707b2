"""How soon a challenger that is truly better is promoted, how often a wrong one comes first, and what the forecast is worth."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.gate.bank import GAINS
from benchmarks.gate.false_promotions import NAMES
from benchmarks.gate.lives import BANKED, DAYS, YEAR
from benchmarks.gate.promotions import Cell, Promotion, Settings, drawn, first_promotions, over_worlds, share
from benchmarks.gate.verdicts import evidence_of
from benchmarks.parts.part import Table
from tasks.report import charts
from tasks.report.view import Plot

NIGHTS = (30, 90, YEAR)
FORECAST_NIGHT = 7
FORECAST_SHARE = 5
"""One world in so many is asked."""


class Forecast(NamedTuple):
    """The nights that night 7 said were needed in all; None: no number would do."""

    nights: int | None


class Followed(NamedTuple):
    """One world: its first promotion, and a forecast where it was asked for."""

    promotion: Promotion | None
    forecast: Forecast | None


def run(settings: Settings) -> list[Table]:
    """Return the power of both rules, and forecasts against what came."""
    cells = [
        Cell(k, days, gain, rule)
        for gain in GAINS
        for days in BANKED
        for k in settings.challengers
        for rule in ("former", "gate")
    ]
    found = dict(zip(cells, over_worlds(_followed, cells, settings), strict=True))
    return [_power(found, settings), _forecast(found)]


def _followed(cell: Cell, settings: Settings, chunk: int, worlds: int) -> list[Followed]:
    promotions = first_promotions(cell, settings, chunk, worlds)
    if cell.rule == "former":
        return [Followed(one, None) for one in promotions]
    nights = drawn(cell, settings, chunk, worlds).increments
    found = [Followed(one, None) for one in promotions]
    for world in range(0, worlds, FORECAST_SHARE):
        evidence = evidence_of(nights, world, FORECAST_NIGHT - 1, cell.policy)[0]
        found[world] = Followed(promotions[world], Forecast(evidence.nights_needed))
    return found


def _right(found: Sequence[Followed], night: int) -> list[bool]:
    return [
        one.promotion is not None and one.promotion.challenger == 0 and one.promotion.night <= night for one in found
    ]


def _median(found: Sequence[Followed]) -> str:
    nights = [one.promotion.night if one.promotion and not one.promotion.challenger else np.inf for one in found]
    median = float(np.median(nights))
    return f"{median:.0f}" if np.isfinite(median) else f"> {YEAR}"


def _wrong(found: Sequence[Followed]) -> list[bool]:
    return [one.promotion is not None and one.promotion.challenger != 0 for one in found]


def _power(found: dict[Cell, list[Followed]], settings: Settings) -> Table:
    rows = [
        [
            f"{cell.gain:+.3f}", DAYS[cell.days], str(cell.challengers), NAMES[cell.rule],
            *(share(_right(one, night)) for night in NIGHTS), _median(one), share(_wrong(one)),
        ]
        for cell, one in found.items()
    ]  # fmt: skip
    gains = settings.banks.of("none")
    measured = ", ".join(f"{gain:+.3f}: {gains.measured_gain(gain)[0]:+.4f}" for gain in GAINS)
    return Table(
        title="One challenger truly better, the others equal: % of worlds in which it is the first promoted ± s.e.",
        columns=["XAUC", "days", "challengers", "rule", *(f"by night {n}" for n in NIGHTS), "median night", "a wrong one first, %"],
        rows=rows,
        notes=[
            f"{settings.worlds:,} worlds a row. The better model's fit has less noise; its mean difference in the bank (measured: "
            f"{measured}) is moved to exactly the gain that is named.",
            "Of several promoted on one night a wrong one is taken.",
        ],
        numbers={f"{c.gain} {c.days} {c.challengers} {c.rule}": [list(one) for one in f] for c, f in found.items()},
        figure=_figure(found),
    )  # fmt: skip


def _figure(found: dict[Cell, list[Followed]]) -> Plot:
    nights = [7, 10, 14, 21, 30, 45, 60, 90, 120, 180]
    series = []
    for colour, gain in enumerate(GAINS):
        for days in BANKED:
            one = found[Cell(5, days, gain)]
            values = [100 * sum(_right(one, night)) / len(one) for night in nights]
            series.append(charts.Series(f"{gain:+.3f}, {DAYS[days]}", nights, values, colour, days != "none"))
    return charts.lines(series, "night", "% promoted", "Power of the gate with five challengers against nights")


def _forecast(found: dict[Cell, list[Followed]]) -> Table:
    rows, numbers = [], {}
    for cell, followed in found.items():
        if cell.rule == "former":
            continue
        asked = [one.forecast.nights for one in followed if one.forecast is not None]
        known = [nights for nights in asked if nights is not None]
        quartiles = np.percentile(known, [25, 50, 75]) if known else [np.nan] * 3
        decided = [one.promotion.night for one in followed if one.promotion is not None]
        rows.append(
            [
                f"{cell.gain:+.3f}", DAYS[cell.days], str(cell.challengers), share([nights is None for nights in asked]),
                f"{np.mean(known):.0f}", f"{quartiles[1]:.0f} [{quartiles[0]:.0f}, {quartiles[2]:.0f}]",
                f"{np.mean(decided):.0f}", f"{np.median(decided):.0f}",
            ]
        )  # fmt: skip
        numbers[f"{cell.gain} {cell.days} {cell.challengers}"] = known
    return Table(
        title="What night 7 forecasts against the night that decided",
        columns=["XAUC", "days", "challengers", "no number would do, %", "forecast, mean", "median [quartiles]",
                 "decided, mean", "median"],
        rows=rows,
        notes=[
            "`nights_needed` of the better challenger's `decision.json` on night 7. It takes seven nights' mean for the truth, so "
            "it is wide: a mean that happens to be near 0 needs hundreds of nights, one at or below it no number.",
        ],
        numbers=numbers,
    )  # fmt: skip
