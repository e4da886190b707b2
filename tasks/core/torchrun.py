"""Which process this is of those that torchrun started, as it says in their environment. Does not load torch."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Torchrun:
    """The place of this process.

    Attributes:
        rank: its number among all.
        size: how many there are.
        local_rank: its number among those of this machine.
    """

    rank: int
    size: int
    local_rank: int


def torchrun() -> Torchrun | None:
    """Return the place of this process; None where torchrun did not start it."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    return Torchrun(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))
