"""The bytes of a small night as they were recorded: the same inputs give them again, on whichever machine.

python -m tests.flows.golden     # runs the night and records them anew: only for a change that is meant to move numbers
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tasks.core import arithmetic
from tasks.core.machine import this_machine
from tests.flows.small_night import make_workspace, tiny_params

FILE = Path(__file__).with_name("golden.json")
DATA = {"features": "data/features/rows/*/part.parquet", "table": "data/table/**/*.npy"}
"""Whole numbers, and sums that no kernel reorders."""
MODELS = {
    "weights": "artifacts/models/recipes/*/*.safetensors",
    "predictions": "artifacts/predictions/**/judge.parquet",
    "metrics": "metrics/*.json",
    "scores": "artifacts/scores/*.parquet",
}
"""What kernels are named for; libraries for another maker's processors may still add otherwise."""


def hashes(root: Path, parts: Mapping[str, str]) -> dict[str, str]:
    """Return part -> hash over the names and bytes of its files."""
    found = {}
    for part, pattern in parts.items():
        digest, files = hashlib.sha256(), sorted(root.glob(pattern))
        assert files, f"the night made no {pattern}"
        for file in files:
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
        found[part] = digest.hexdigest()
    return found


def maker() -> str:
    """Return the first word of the processor's name, its maker."""
    return this_machine().cpu.split()[0]


def main() -> None:
    """Record the hashes."""
    from tests.flows.declared import run_night

    with tempfile.TemporaryDirectory() as scratch:
        root = make_workspace(Path(scratch) / "night", tiny_params())
        run_night(root, "--as-of", "2026-01-15")
        recorded = {"maker": maker(), **hashes(root, DATA), **hashes(root, MODELS)}
    FILE.write_text(json.dumps(recorded, indent=2) + "\n")
    print(f"recorded {FILE.name}")


if __name__ == "__main__":
    arithmetic.pin(arithmetic.DEFAULT)
    main()
