"""`python -m tasks STAGE`."""

import sys
from pathlib import Path

from tasks.core import arithmetic
from tasks.core.fork_server import call

LIBRARIES = (
    "psutil",
    "pydantic",
    "numpy",
    "scipy.special",
    "scipy.stats",
    "torch",
    "matplotlib.figure",
    "tasks.config",
    "torch._dynamo",
    "torch.export._trace",
)
"""What most stages need of that which starts no thread; the last two are what torch loads at a first fit and a first export."""

if __name__ == "__main__":
    arithmetic.pin_for_night(Path.cwd())
    sys.exit(call("tasks.main:main", sys.argv[1:], LIBRARIES))
