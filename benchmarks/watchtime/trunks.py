"""Every watch-time head on every trunk beside four binary tasks, on protocol R0 with raw identifiers."""

from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.grid import TITLES, TRUNKS
from benchmarks.watchtime.heads import grid_table, measured


def run(options: Options) -> list[Table]:
    """Return a table per trunk."""
    testbed, found = measured(options, [trunk for trunk in TRUNKS if trunk != "alone"])
    return [grid_table(TITLES[trunk], by_head, len(testbed.rows)) for trunk, by_head in found.items()]
