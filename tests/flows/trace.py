"""Hash every artifact of three small nights: what a redesign must leave as it was.

    python -m tests.flows.trace before.json             # at the old commit
    python -m tests.flows.trace after.json              # at the new one
    python -m tests.flows.trace --compare before.json after.json

The nights: simulated days with two networks, trees and two ensembles, the night after it (there is a champion to beat), and
KuaiRand where it lies in $DWELL_DATA. Every stage has nothing at hand but its declared inputs. Hashes of source code are
replaced by a constant, so that files differ only where what they say differs. Kernels are named as in nights.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.core import arithmetic, manifest
from tasks.core.files import hash_file
from tests.flows.small_night import make_workspace, small_params

FOLDERS = ("data", "artifacts", "metrics", "plots", "registry")
DATA = Path(os.environ.get("DWELL_DATA", Path(__file__).resolve().parents[3] / "shared/data"))


def trace(scratch: Path) -> dict[str, str]:
    """Run the nights below `scratch`; return night/path -> SHA-256 of every file they wrote."""
    _forget_the_code()
    params = small_params()
    params["nightly"] |= {"recipes": ["d2q", "wlr_mmoe", "trees"], "ensembles": ["blend", "blend_trees"]}
    params["ensembles"] |= {"blend_trees": {"members": ["d2q", "trees"]}}
    simulated = make_workspace(scratch / "simulator", params)
    found = _night(simulated, "first", "--as-of", "2026-01-15")
    found |= _night(simulated, "second", "--as-of", "2026-01-16")
    kuairand = DATA / "KuaiRand-Pure"
    if kuairand.is_dir():
        params["baselines"] |= {"enabled": ["constant", "item_user_effects", "lightgbm"]}
        params["nightly"] |= {"recipes": ["d2q"], "ensembles": []}
        params["window"] |= {"fit_days": 2}
        key = ("--as-of", "2022-05-04", "--source", "kuairand", "--data", str(kuairand))
        found |= _night(make_workspace(scratch / "kuairand", params), "kuairand", *key)
    return found


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return one line per file that appeared, went or changed."""
    lines = [f"gone     {path}" for path in sorted(before.keys() - after.keys())]
    lines += [f"new      {path}" for path in sorted(after.keys() - before.keys())]
    return lines + [f"changed  {path}" for path in sorted(before.keys() & after.keys()) if before[path] != after[path]]


def _forget_the_code() -> None:
    """Let every hash of source code be one constant; must come before the stages are imported."""
    loaded = sorted(
        name for name in sys.modules if name.startswith("tasks.") and hasattr(sys.modules[name], "code_hash")
    )
    assert loaded == [manifest.__name__], f"already bound to the real hashes: {loaded}"

    def constant(*_what: object) -> str:
        return "0" * 64

    replaced: dict[str, Callable[..., str]] = dict.fromkeys(
        ("code_hash", "models_hash", "product_hash", "source_hash"), constant
    )
    for name, function in replaced.items():
        assert hasattr(manifest, name)
        setattr(manifest, name, function)


def _night(root: Path, name: str, *key: str) -> dict[str, str]:
    """Run the stages of one night in this process, publish it, and return name/path -> hash of what it left."""
    from tasks.core.layout import Workspace
    from tasks.core.run_key import load_run_key
    from tasks.night.publish import publish
    from tests.flows.declared import run_night

    run_night(root, *key)
    with contextlib.chdir(root):
        lock = root / "dvc.lock"  # publishing archives it, and no DVC wrote one here
        lock.touch()
        print(publish(Workspace(), load_run_key(Path("run.yaml")), {}).summary())
        lock.unlink()
    files = (path for folder in FOLDERS for path in sorted((root / folder).rglob("*")) if path.is_file())
    kept = [path for path in files if not path.name.startswith((".", "ledger."))]
    return {f"{name}/{path.relative_to(root).as_posix()}": hash_file(path) for path in kept}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a trace, or say in what two of them differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", help="file the trace is written to")
    parser.add_argument("--keep", type=Path, help="new folder for the nights, kept; else a temporary one is used")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"), help="two traces")
    options = parser.parse_args(arguments)
    if options.compare:
        lines = differences(*(json.loads(path.read_text()) for path in options.compare))
        print("\n".join(lines) or "no differences")
        return 1 if lines else 0
    if options.out is None:
        parser.error("name a file for the trace, or two to compare")
    with contextlib.ExitStack() as stack:
        scratch = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = trace(scratch.resolve())
    options.out.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")
    print(f"{len(found)} files")
    return 0


if __name__ == "__main__":
    arithmetic.pin(arithmetic.DEFAULT)
    sys.exit(main())
