"""How often equal challengers are promoted: on the first night that decides, within a month, within a year."""

from collections.abc import Mapping, Sequence

from benchmarks.gate.lives import BANKED, DAYS, YEAR, Days
from benchmarks.gate.promotions import Cell, Promotion, Rule, Settings, by_night, first_promotions, over_worlds, share
from benchmarks.parts.part import Table
from tasks.gate.config import GatePolicy
from tasks.report import charts
from tasks.report.view import Plot

NIGHTS = (7, 30, 60, 90, YEAR)
NAMES = {"former": "7-day pool, every night", "gate": "evidence over the reign"}
WAITS = {
    "never waits": GatePolicy(autocorrelation_limit=1),
    "waits above .3 (default)": GatePolicy(),
    "never decides before night 28": GatePolicy(upgrade_days=28),
}
DRAWN: tuple[tuple[Days, Rule, int, bool], ...] = (
    ("none", "former", 0, False),
    ("independent", "former", 0, True),
    ("none", "gate", 1, False),
    ("independent", "gate", 1, True),
    ("ar6", "gate", 2, True),
)
"""Days, rule, colour, whether dashed."""
Found = Sequence[Promotion | None]


def run(settings: Settings) -> list[Table]:
    """Return false promotions of both rules, and what waiting does where the effects of days last."""
    return [_rules(settings), _waiting(settings)]


def _rules(settings: Settings) -> Table:
    cells = [Cell(k, days, rule=rule) for days in DAYS for k in settings.challengers for rule in ("former", "gate")]
    found = dict(zip(cells, over_worlds(first_promotions, cells, settings), strict=True))
    rows = [
        [DAYS[cell.days], str(cell.challengers), NAMES[cell.rule], *(share(by_night(one, n)) for n in NIGHTS)]
        for cell, one in found.items()
    ]
    bank = {days: settings.banks.of(days) for days in BANKED}
    sizes = "; ".join(
        f"{DAYS[days]}: s.e. of a night {one.typical_errors[0]:.5f} XAUC, {one.typical_errors[1]:.5f} XGAUC, "
        f"deviation between nights {one.spreads[0]:.5f}, {one.spreads[1]:.5f}"
        for days, one in bank.items()
    )
    return Table(
        title="Any promotion of an equal challenger, % of worlds ± Monte-Carlo s.e.",
        columns=["days", "challengers", "rule", *(f"by night {night}" for night in NIGHTS)],
        rows=rows,
        notes=[
            f"{settings.worlds:,} worlds a row; the same ones for both rules. Bank of {settings.banks.nights} nights and "
            f"{settings.banks.equal} equal models ({sizes}).",
            "AR days: an autoregressive effect per model, as large as one s.e. of both metrics, added to banked differences.",
            "One fit a side: the seeds' condition is left out. Guardrails of the week are pooled from single nights' comparisons.",
        ],
        numbers={f"{c.days} {c.challengers} {c.rule}": [sum(by_night(f, n)) for n in NIGHTS] for c, f in found.items()},
        figure=_figure(found),
    )


def _figure(found: Mapping[Cell, Found]) -> Plot:
    nights = [7, 14, 30, 60, 90, 180, YEAR]
    series = []
    for days, rule, colour, dashed in DRAWN:
        one = found[Cell(5, days, rule=rule)]
        values = [100 * sum(by_night(one, night)) / len(one) for night in nights]
        name = f"{'before' if rule == 'former' else 'now'}, {DAYS[days]}"
        series.append(charts.Series(name, nights, values, colour, dashed))
    return charts.lines(series, "night", "% of worlds", "False promotions of five equal challengers against nights")


def _waiting(settings: Settings) -> Table:
    cells = {
        (days, k, wait): Cell(k, days, policy=policy)
        for days in DAYS
        if days != "none"
        for k in settings.challengers
        for wait, policy in WAITS.items()
    }
    found = dict(zip(cells, over_worlds(first_promotions, list(cells.values()), settings), strict=True))
    return Table(
        title="Where effects of days last: with and without the wait for night 28, % of worlds ± s.e.",
        columns=["days", "challengers", "first decision", *(f"by night {night}" for night in NIGHTS[1:])],
        rows=[
            [DAYS[days], str(k), wait, *(share(by_night(found[days, k, wait], night)) for night in NIGHTS[1:])]
            for days, k, wait in cells
        ],
        notes=[
            "What is promised holds for independent nights. Effects that last from night to night are met by the variance of "
            "weeks, from four on, and by the wait; neither knows them in the first month.",
        ],
        numbers={" ".join(map(str, key)): [sum(by_night(one, n)) for n in NIGHTS] for key, one in found.items()},
    )
