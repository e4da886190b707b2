"""The second night of params.yaml as it is."""

import sys

from benchmarks.night.nights import second_night
from benchmarks.parts.part import Options, Table


def run(options: Options) -> list[Table]:
    """Return the table of the default night; none in a quick run, which has the small one."""
    if options.quick:
        print(
            "default: not measured: three nights of params.yaml are not quick; `small` shows that they run",
            file=sys.stderr,
        )
        return []
    return [second_night(options, {}, "The night of params.yaml")]
