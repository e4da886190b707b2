"""Which instructions of the CPU sums are made with, and by how many threads.

The order in which a kernel adds numbers follows the width of its vectors, so the last bits of a fit depend on the machine
unless its kernels are named. They are chosen when numpy and torch are loaded: this module imports neither.

The libraries take all cores unless they are told otherwise, NumPy's for products of a millisecond, and threads wait for one another by
turning in circles. Beside another stage, or anything else on the machine, that took an evaluation several times the CPU time that one thread
takes. So there is one thread, but where a stage is told to have more and tells torch and LightGBM.
"""

import os
import platform
import sys
from pathlib import Path
from typing import Literal, get_args

Arithmetic = Literal["avx2", "portable", "native"]
DEFAULT: Arithmetic = "avx2"

CAPABILITY = "ATEN_CPU_CAPABILITY"
"""Environment variable that names the vectors of torch's own kernels."""
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
"""Environment variables that say how many threads the matrix products of NumPy and SciPy have, and torch unless it is told."""
_AVX2 = {
    CAPABILITY: "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "MKL_CBWR": "AVX2",
}
_VARIABLES: dict[Arithmetic, dict[str, str]] = {
    "avx2": _AVX2,
    "portable": _AVX2 | {"MKL_CBWR": "COMPATIBLE"},
    "native": {},
}
"""What torch's own kernels, its two libraries and NumPy's are told; on other processors than x86-64 they read none of it."""


def pin(arithmetic: Arithmetic) -> None:
    """Name the kernels in the environment; what this process starts inherits it. Call it before numpy or torch is loaded."""
    if platform.machine() in ("x86_64", "AMD64"):
        os.environ.update(_VARIABLES[arithmetic])


def pin_default() -> None:
    """Name the default kernels, unless whoever started this process has named some. It may be a process of somebody else's."""
    if CAPABILITY not in os.environ:
        pin(DEFAULT)


def limit_threads() -> None:
    """Let libraries have one thread unless they are told, in a process of dwell's own. Call it before numpy or torch is loaded."""
    os.environ.update(dict.fromkeys(THREADS, "1"))


def pin_for_night(root: Path) -> None:
    """Name the kernels that the night in a workspace asks for, and limit threads, before anything is loaded that reads them.

    A run.yaml that is missing or damaged is somebody else's to report: then the default holds.
    """
    import yaml

    try:
        asked = yaml.safe_load((root / "run.yaml").read_text(encoding="utf-8"))["arithmetic"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        asked = DEFAULT
    pin(asked if asked in get_args(Arithmetic) else DEFAULT)
    limit_threads()


def named() -> dict[str, str]:
    """Return the kernels that the environment of this process names, by variable; empty text: it names none there."""
    return {name: os.environ.get(name, "") for name in sorted(_VARIABLES["portable"])}


def kernels() -> str:
    """Return the name of the kernels that torch computes with here."""
    import torch

    return str(torch.backends.cpu.get_cpu_capability())


def difference(arithmetic: Arithmetic) -> str | None:
    """Say how this process computes otherwise than a night asks for; None: it does not, or torch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is None or arithmetic == "native":
        return None
    found = torch.backends.cpu.get_cpu_capability()
    if found == "AVX2":
        return None
    return (
        f"nightly.arithmetic is {arithmetic}, but torch computes with {found} here: the last bits differ from those of "
        "machines that have AVX2"
    )


def main(command: list[str]) -> None:
    """Become a command that computes as the night of the workspace in this folder does: `dask worker ADDRESS`."""
    if not command:
        sys.exit("usage: python -m tasks.core.arithmetic COMMAND ...")
    pin_for_night(Path.cwd())
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
