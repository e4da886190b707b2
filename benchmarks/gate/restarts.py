"""A year of reigns: whoever is promoted is champion, and evidence begins anew."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.gate.lives import BANKED, DAYS, YEAR, Days, draw
from benchmarks.gate.promotions import Cell, Settings, called_better, first_in, over_worlds, share
from benchmarks.parts.part import Table

REIGNS: dict[int, str] = {YEAR: "ends by a false promotion alone", 91: "91 nights at most", 30: "30 nights at most"}


@dataclass(frozen=True)
class Reigns:
    """One situation: `longest` nights after which something else ends a reign, such as a true upgrade."""

    challengers: int
    days: Days
    longest: int


class Year(NamedTuple):
    """What one world saw in a year."""

    reigns: int
    false_promotions: int


def run(settings: Settings) -> list[Table]:
    """Return false promotions of equal challengers per year and per reign."""
    cells = [Reigns(k, days, longest) for days in BANKED for longest in REIGNS for k in settings.challengers]
    found = dict(zip(cells, over_worlds(_years, cells, settings), strict=True))
    rows, numbers = [], {}
    for cell, years in found.items():
        wrong, reigns = sum(year.false_promotions for year in years), sum(year.reigns for year in years)
        any_wrong = share([year.false_promotions > 0 for year in years])
        per_reign = share([True] * wrong + [False] * (reigns - wrong))
        rows.append(
            [
                DAYS[cell.days],
                REIGNS[cell.longest],
                str(cell.challengers),
                any_wrong,
                f"{reigns / len(years):.2f}",
                per_reign,
            ]
        )
        numbers[f"{cell.days} {cell.longest} {cell.challengers}"] = [wrong, reigns, len(years)]
    return [
        Table(
            title="A year of reigns, equal challengers: false promotions, % ± s.e.",
            columns=["days", "a reign", "challengers", "years with any", "reigns a year", "reigns that end so"],
            rows=rows,
            notes=[
                f"{settings.worlds:,} worlds a row. The 5 % belong to a reign: a champion that is replaced often, for whatever "
                "reason, has its challengers tested anew each time.",
            ],
            numbers=numbers,
        )
    ]


def _years(cell: Reigns, settings: Settings, chunk: int, worlds: int) -> list[Year]:
    rng = np.random.default_rng([settings.seed, 5, cell.challengers, *cell.days.encode(), cell.longest, chunk])
    begun, reigns, wrong = np.zeros(worlds, dtype=int), np.zeros(worlds, dtype=int), np.zeros(worlds, dtype=int)
    rule = Cell(cell.challengers, cell.days)
    while (going := np.flatnonzero(begun < YEAR)).size:
        lives = draw(settings.banks, cell.days, going.size, cell.challengers, rng, nights=cell.longest)
        found = called_better(rule, lives)
        for place, world in enumerate(going):
            last = min(cell.longest, YEAR - begun[world])
            promotion = first_in(rule, lives, place, found[place, :last])
            reigns[world] += 1
            wrong[world] += promotion is not None
            begun[world] += promotion.night if promotion else last
    return [Year(int(r), int(w)) for r, w in zip(reigns, wrong, strict=True)]
