"""`python -m tasks STAGE`."""

import sys
from pathlib import Path

from tasks.core import arithmetic
from tasks.core.fork_server import call

_EVERY_STAGE = ("psutil", "pydantic", "numpy", "tasks.config")
LIBRARIES = (
    *_EVERY_STAGE,
    "scipy.special",
    "scipy.stats",
    "torch",
    "torch._dynamo",
    "torch.export._trace",
)
"""What stages need of that which starts no thread; the last two are what torch loads at a first fit and a first export.

A server loads them while nobody asks, once a first stage has run; only what every stage needs is waited for.
"""

if __name__ == "__main__":
    arithmetic.pin_for_night(Path.cwd())
    sys.exit(call("tasks.main:main", sys.argv[1:], _EVERY_STAGE, LIBRARIES))
