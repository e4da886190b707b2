"""What the precision of the prior changes: that of the reign's first night against fixed ones."""

import numpy as np

from benchmarks.gate.bank import GAINS
from benchmarks.gate.lives import BANKED, DAYS, YEAR
from benchmarks.gate.promotions import Cell, Settings, by_night, first_promotions, over_worlds, share
from benchmarks.parts.part import Table

PRECISIONS: dict[float | None, str] = {
    None: "20 s² of the reign's first night (the gate)",
    1.0: "20 s², s of all nights",
    0.25: "a quarter of it",
    4.0: "four times it",
}
CHALLENGERS = 5


def run(settings: Settings) -> list[Table]:
    """Return error and speed with each prior."""
    cells = [
        Cell(CHALLENGERS, days, gain, precision=precision)
        for days in BANKED
        for precision in PRECISIONS
        for gain in (None, *GAINS)
    ]
    found = dict(zip(cells, over_worlds(first_promotions, cells, settings), strict=True))
    rows = []
    for days in BANKED:
        for precision, name in PRECISIONS.items():
            equal = found[Cell(CHALLENGERS, days, None, precision=precision)]
            medians = []
            for gain in GAINS:
                one = found[Cell(CHALLENGERS, days, gain, precision=precision)]
                nights = [p.night if p and not p.challenger else np.inf for p in one]
                medians.append(f"{np.median(nights):.0f}")
            rows.append([DAYS[days], name, share(by_night(equal, 30)), share(by_night(equal, YEAR)), *medians])
    return [
        Table(
            title=f"Precision of the prior, {CHALLENGERS} challengers",
            columns=["days", "r", "false by night 30, % ± s.e.", f"by night {YEAR}", *(f"median night at {g:+.3f}" for g in GAINS)],
            rows=rows,
            notes=[f"{settings.worlds:,} worlds a cell. A larger r bets on small gains late, a smaller one on large gains soon."],
            numbers={" ".join(map(str, (c.days, c.gain, c.precision))): sum(by_night(f, YEAR)) for c, f in found.items()},
        )
    ]  # fmt: skip
