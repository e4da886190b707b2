"""How a night went as a computation. Kept apart from the artifacts, because no two runs take equally long."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Operations:
    """What the stages did and what they took.

    Attributes:
        stages: stage -> "ran", "unchanged" or "restored" (from the cache of an earlier, equal run), in order.
        timings: stage -> `seconds` and `peak_mib` of its last real run in this workspace.
    """

    stages: Mapping[str, str]
    timings: Mapping[str, Mapping[str, float]]
