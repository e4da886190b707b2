"""10^7 fit rows of more users: the end of the curve, hours on two cores."""

from benchmarks.growth.ladder import ladder
from benchmarks.parts.part import Options, Table
from tasks.simulate.config import SimulatorConfig

SIZES = (1_600_000,)


def run(options: Options) -> list[Table]:
    """Return the table of 10^7 fit rows."""
    return [ladder(options, SIZES, SimulatorConfig.scaled, "More users: 10^7 rows")]
