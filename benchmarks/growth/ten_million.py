"""10^7 fit rows of more users: the end of the curve. A fit of the network took 1,320 CPU-seconds, one of the trees takes hours: give `--scratch`, so
that a run that is ended can go on, and one seed."""

from benchmarks.growth.ladder import ladder
from benchmarks.parts.part import Options, Table
from tasks.simulate.config import SimulatorConfig

SIZES = (1_600_000,)


def run(options: Options) -> list[Table]:
    """Return the table of 10^7 fit rows."""
    return [ladder(options, SIZES, SimulatorConfig.scaled, "More users: 10^7 rows", threads=2)]
