"""Loss balances on one model: a shared bottom that learns watch time, skip, valid play, long view and like together."""

from collections.abc import Mapping

from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.cells import ranked
from benchmarks.watchtime.grid import recipe_of
from benchmarks.watchtime.measure import Scored
from benchmarks.watchtime.r0 import ids_testbed
from benchmarks.watchtime.testbed import Testbed
from models.balance import BALANCES

HEAD, TRUNK = "d2q", "shared_bottom"
METRICS = ("xauc", "xgauc", "auc_skip", "auc_long_view")
LABELS = ("XAUC", "XGAUC", "AUC skip", "AUC long view")
QUICK = ("fixed", "pcgrad")


def run(options: Options) -> list[Table]:
    """Return one table: every balance, and the single-task twin of watch time."""
    testbed = ids_testbed(options)
    found = {"watch time alone": testbed.measure(f"{HEAD}_alone", recipe_of(HEAD, "alone"))}
    for kind in QUICK if options.quick else BALANCES:
        found[kind] = testbed.measure(f"{HEAD}_{TRUNK}_{kind}", recipe_of(HEAD, TRUNK, balance={"kind": kind}))
    return [_table(testbed, found)]


def _table(testbed: Testbed, found: Mapping[str, Scored]) -> Table:
    rows = []
    for name, scored in found.items():
        cells = [ranked(scored.metrics[metric]) if metric in scored.metrics else "-" for metric in METRICS]
        rows.append([name, *cells])
    return Table(
        title=f"Balances: {HEAD} on a shared bottom with four binary tasks",
        columns=["balance", *LABELS],
        rows=rows,
        notes=[
            f"Raw identifiers, {len(testbed.rows):,} judge rows; every loss is unit-free and weighs 1 before the balance. Mean over "
            "fits ± standard deviation between fits [95 % user-bootstrap interval]. Early stopping on the watch-time loss "
            "of 30 April for all of them. Published defaults, nothing tuned."
        ],
        numbers={name: scored.model_dump(mode="json") for name, scored in found.items()},
    )
