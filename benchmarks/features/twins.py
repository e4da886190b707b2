"""The twins of the features stage by name, each in a process of its own.

Run it: python -m benchmarks.features.twins NAME WORKSPACE TARGET
"""

import sys
from importlib import import_module
from pathlib import Path

from benchmarks.features.log import Log

POLARS, DUCKDB = "Polars, one lazy plan", "DuckDB, one statement"
TWINS = {POLARS: "polars_twin", DUCKDB: "duckdb_twin"}
"""Name -> module, which loads its own library alone."""


def write(name: str, log: Log, target: Path) -> None:
    """Write the rows of a twin."""
    import_module(f"benchmarks.features.{TWINS[name]}").write(log, target)


if __name__ == "__main__":
    _, named, workspace, file = sys.argv
    write(named, Log.of(Path(workspace)), Path(file))
