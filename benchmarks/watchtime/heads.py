"""Every watch-time head alone, on protocol R0 with raw identifiers: the setting of the reference."""

import logging
from collections.abc import Mapping, Sequence

from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.cells import COLUMNS, row
from benchmarks.watchtime.grid import TITLES, heads, recipe_of
from benchmarks.watchtime.measure import Scored
from benchmarks.watchtime.r0 import ids_testbed
from benchmarks.watchtime.reference import REFERENCES
from benchmarks.watchtime.testbed import Testbed
from tasks.report import charts

log = logging.getLogger(__name__)
QUICK_HEADS = ("d2q", "cread")


def run(options: Options) -> list[Table]:
    """Return the table of the heads, and one that holds it against the reference."""
    testbed, found = measured(options, ["alone"])
    by_head = found["alone"]
    return [grid_table(TITLES["alone"], by_head, len(testbed.rows)), against_reference(by_head)]


def measured(options: Options, trunks: Sequence[str]) -> tuple[Testbed, dict[str, dict[str, Scored]]]:
    """Fit and measure every head on some trunks; return trunk -> head -> metrics."""
    testbed = ids_testbed(options)
    kinds = QUICK_HEADS if options.quick else heads()
    found: dict[str, dict[str, Scored]] = {trunk: {} for trunk in trunks}
    for trunk in trunks:
        for head in kinds:
            found[trunk][head] = testbed.measure(f"{head}_{trunk}", recipe_of(head, trunk))
            log.info("%s on %s: XAUC %.4f", head, trunk, found[trunk][head].metrics["xauc"].value)
    return testbed, found


def grid_table(title: str, found: Mapping[str, Scored], rows: int) -> Table:
    """Return one trunk's heads, best XAUC first."""
    order = sorted(found, key=lambda head: -found[head].metrics["xauc"].value)
    return Table(
        title=title,
        columns=["head", *COLUMNS],
        rows=[row(head, found[head]) for head in order],
        notes=[
            f"{rows:,} judge rows. Mean over fits ± standard deviation between fits [95 % user-bootstrap interval]. TRE: "
            "|sum predicted - sum watched| / sum predicted. Calibrated: the night's mean and median calibrators per duration "
            "group, fitted on 30 April."
        ],
        numbers={head: scored.model_dump(mode="json") for head, scored in found.items()},
        figure=charts.intervals(
            [(head, xauc.value, xauc.low, xauc.high) for head in order for xauc in [found[head].metrics["xauc"]]],
            "XAUC",
            f"{title}: XAUC of every head with its interval, {order[0]} first",
        ),
    )


def against_reference(found: Mapping[str, Scored]) -> Table:
    """Return ours beside the reference figures."""
    rows = []
    for head, scored in found.items():
        if head not in REFERENCES:
            continue
        stated, xauc = REFERENCES[head], scored.metrics["xauc"]
        sd = max(stated.xauc_sd or 0, xauc.seed_sd or 0)
        native = [scored.metrics[f"{stated.decode}_{name}"].value for name in ("mae", "rmse", "tre")]
        rows.append(
            [
                head,
                f"{xauc.value:.4f} / {stated.xauc:.4f}",
                f"{scored.metrics['xgauc_across_days'].value:.4f} / {stated.xgauc_across_days:.4f}",
                *(
                    f"{ours:.2f} / {theirs:.2f}"
                    for ours, theirs in zip(native, (stated.mae, stated.rmse, stated.tre), strict=True)
                ),
                "yes" if xauc.value >= stated.xauc - 2 * sd else "no",
            ]
        )
    return Table(
        title="Ours / reference",
        columns=["head", "XAUC", "XGAUC across days", "MAE, s", "RMSE, s", "TRE", "XAUC within 2 sd or better"],
        rows=rows,
        notes=[
            "The reference measured small re-implementations on the same rows, 3 to 6 fits. MAE, RMSE and TRE are of the "
            "head's own mean, or of its median where the reference states that. The sd is the larger of both between fits."
        ],
    )
