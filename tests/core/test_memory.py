"""Memory that was freed is not asked of the system anew."""

import ctypes
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import numpy as np
from tasks.core.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
np.ones(1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    first, second = np.ones(1 << 20), np.ones(1 << 20)
    del first, second
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    """Return how many pages the system gave for 20 times two arrays of 2,048 pages, after the first one."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library cannot be told")
def test_what_a_stage_frees_it_is_given_again() -> None:
    assert faults("keep") < 5_000
    assert faults("give back") > 10_000
