"""What a figure was computed with: processor, its instructions, and the libraries whose kernels add its numbers."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from tasks.core.document import Document

LIBRARIES = ("torch", "numpy", "scipy", "polars", "lightgbm")
"""Those whose kernels add numbers."""
_INSTRUCTIONS = ("avx2", "fma", "avx512f")


class Machine(Document):
    """One machine, as far as the bytes of a model can depend on it."""

    cpu: str
    instructions: tuple[str, ...]
    """of those that kernels are chosen by"""
    cores: int
    python: str
    libraries: dict[str, str]
    """name -> version"""

    def differences(self, other: "Machine") -> list[str]:
        """Say in what another machine differs: the name, what is here, what is there; cores alone change no byte."""
        mine, theirs = self._flat(), other._flat()
        return [f"{name} {mine[name]}, {theirs.get(name)}" for name in mine if mine[name] != theirs.get(name)]

    def _flat(self) -> dict[str, str]:
        own = {"cpu": self.cpu, "instructions": " ".join(self.instructions), "python": self.python}
        return own | self.libraries


def this_machine() -> Machine:
    """Return what this process computes with."""
    flags = set(_cpuinfo("flags").split())
    return Machine(
        cpu=_cpuinfo("model name") or platform.processor() or platform.machine(),
        instructions=tuple(name for name in _INSTRUCTIONS if name in flags),
        cores=os.cpu_count() or 1,
        python=platform.python_version(),
        libraries={name: version(name) for name in LIBRARIES},
    )


def _cpuinfo(key: str) -> str:
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""
