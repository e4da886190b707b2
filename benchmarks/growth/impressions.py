"""More impressions of the same users, who see more videos on a day and are known better."""

from benchmarks.growth.ladder import ladder
from benchmarks.parts.part import Options, Table
from tasks.simulate.config import SimulatorConfig

SIZES = (16_000, 48_000)


def run(options: Options) -> list[Table]:
    """Return the table of one and of three times the impressions of a user."""
    return [ladder(options, SIZES, denser, "More impressions of each user")]


def denser(world: SimulatorConfig, impressions_per_day: int) -> SimulatorConfig:
    """Return the same users, videos and authors with another number of impressions a day."""
    return world.model_copy(update={"impressions_per_day": impressions_per_day})
