"""Nights by one backfill against the same nights one by one, on two settings of the processor's instruction set.

Run it: python -m benchmarks.same_bytes --nights 12. The backfill is one process whose shell names AVX2 kernels; every night
of the other workspace is a process of its own whose shell names none. Both must leave the same bytes: what stages write, what
the registry holds, the archived decisions. Wall clocks (when an event was recorded, what a stage took) are left out.
"""

import argparse
import datetime as dt
import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tasks.core.files import hash_file, write_text
from tasks.protocol.record import circumstances
from tests.flows.small_night import make_workspace, run, tiny_params

FIRST = dt.date(2026, 1, 15)
SOURCE = "simulator"
FOLDERS = ("data", "artifacts", "metrics", "plots", f"registry/{SOURCE}/entries", f"registry/{SOURCE}/evidence")
ARCHIVED = ("run.yaml", "params.yaml", "dvc.lock", "decision.json")
CLOCKS = ("recorded_at", "previous_hash", "hash")
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "none": {"ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}


def left(root: Path) -> dict[str, str]:
    """Return path -> hash of everything that a workspace's nights left and that knows no clock."""
    files = [file for folder in FOLDERS for file in sorted((root / folder).rglob("*")) if file.is_file()]
    archived = sorted((root / "nights").rglob("*"))
    files += [file for file in archived if file.name in ARCHIVED]
    found = {file.relative_to(root).as_posix(): hash_file(file) for file in files}
    for number, line in enumerate((root / f"registry/{SOURCE}/ledger.jsonl").read_text().splitlines()):
        said = {key: value for key, value in json.loads(line).items() if key not in CLOCKS}
        found[f"ledger {number}"] = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return found


def kinds(root: Path) -> dict[str, int]:
    """Return kind of decision -> how many nights came to it."""
    found: dict[str, int] = {}
    for line in (root / f"registry/{SOURCE}/ledger.jsonl").read_text().splitlines():
        kind = json.loads(line)["kind"]
        found[kind] = found.get(kind, 0) + 1
    return found


def both(scratch: Path, nights: int) -> tuple[Path, Path]:
    """Run the nights in two workspaces; return them."""
    last = FIRST + dt.timedelta(days=nights - 1)
    backfilled = make_workspace(scratch / "backfill", tiny_params())
    _checked(["flows.cli", "backfill", "--from", str(FIRST), "--to", str(last)], backfilled, SETTINGS["avx2"])
    one_by_one = make_workspace(scratch / "one_by_one", tiny_params())
    for number in range(nights):
        night = FIRST + dt.timedelta(days=number)
        _checked(["flows.cli", "nightly", "--as-of", str(night)], one_by_one, SETTINGS["none"])
    return backfilled, one_by_one


def _checked(arguments: list[str], root: Path, settings: Mapping[str, str]) -> None:
    done = run(arguments, root, timeout_s=7200, **settings)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stdout[-4000:]}")


def main() -> None:
    """Run, compare, and write `results.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the results")
    options = parser.parse_args()
    where, began = circumstances(), time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        roots = both(Path(scratch), options.nights)
        found = [left(root) for root in roots]
        decided = kinds(roots[0])
    differing = sorted(name for name in found[0].keys() | found[1].keys() if found[0].get(name) != found[1].get(name))
    lines = [
        "# The same nights, by one backfill and one by one",
        "",
        f"Run it: `python -m benchmarks.same_bytes --nights {options.nights}`",
        "",
        "| nights | decisions | files and events compared | that differ |",
        "|---|---|---|---|",
        f"| {options.nights} | {', '.join(f'{count} {kind}' for kind, count in decided.items())} | {len(found[0])} | "
        f"{len(differing)} |",
        "",
        *(f"- {name}" for name in differing[:50]),
        "The backfill ran in a shell that names AVX2 kernels, the single nights in one that names none; `nightly.arithmetic` is",
        "`avx2` for both, so the shell has no say.",
        "",
        f"Measured {where['date']} at commit `{where['commit']}` in {time.perf_counter() - began:.0f} s on {where['cpu']}, "
        f"{where['cores']} cores; Python {where['python']}, torch {where['torch']}.",
    ]
    options.out.mkdir(exist_ok=True)
    print(write_text(options.out / "results.md", "\n".join(lines) + "\n"))
    if differing:
        raise SystemExit(f"{len(differing)} of {len(found[0])} differ")


if __name__ == "__main__":
    main()
