"""More users, and with them videos and authors, each user's days as they were."""

from benchmarks.growth.ladder import ladder
from benchmarks.parts.part import Options, Table
from tasks.simulate.config import SimulatorConfig

SIZES = (16_000, 48_000, 160_000)


def run(options: Options) -> list[Table]:
    """Return the table of 10^5 to 10^6 fit rows."""
    return [ladder(options, SIZES, SimulatorConfig.scaled, "More users")]
