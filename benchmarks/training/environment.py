"""An environment of the peers' own, which sees dwell's packages too: torch is neither loaded twice nor in another version.

Run it: python -m benchmarks.training.environment PATH
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path

VARIABLE = "DWELL_PEERS"
"""Environment variable that names the environment."""
PACKAGES = Path(__file__).with_name("peers.txt")
_MAKE = "python -m benchmarks.training.environment PATH"


def make(folder: Path) -> None:
    """Make the environment: a folder of few packages, and a file that names the folder of dwell's."""
    venv.create(folder, with_pip=False, clear=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "lib" / version / "site-packages" / "dwell.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    install = ("install", "--quiet", "--no-deps", "--requirement", str(PACKAGES))
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python_of(folder)), *install], check=True)


def python_of(folder: Path) -> Path:
    """Return the environment's Python."""
    return folder / "bin" / "python"


def found() -> Path | None:
    """Return the Python of the environment that is named, None where there is none."""
    named = os.environ.get(VARIABLE)
    python = python_of(Path(named)) if named else None
    return python if python is not None and python.exists() else None


def absent() -> str:
    """Return why the peers are not there, and how they come."""
    named = os.environ.get(VARIABLE)
    why = f"{VARIABLE}={named} holds no bin/python" if named else f"{VARIABLE} names no environment of theirs"
    return f"{why}: make one with `{_MAKE}`, then set {VARIABLE}=PATH"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the environment; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.environment", description=__doc__)
    parser.add_argument("folder", type=Path, help="is emptied first")
    folder = parser.parse_args(arguments).folder.resolve()
    make(folder)
    print(f"made {folder}: export {VARIABLE}={folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
