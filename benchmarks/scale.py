"""CPU time, wall time and peak memory of every stage for simulated nights of growing size, with the growth exponents.

Run it: make benchmark-scale ROWS="100000 1000000 10000000"; of the stages that make the training table alone:
python -m benchmarks.scale --data-stages 10000000 100000000. Rows are those of the 15 days a night reads.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tasks.core.files import write_json, write_text
from tasks.ingest.config import SourceConfig
from tasks.protocol.record import circumstances

REPOSITORY = Path(__file__).resolve().parents[1]
DAYS = 15
PREPARE = (sys.executable, "-m", "flows.cli", "prepare")
DATA_STAGES = ("ingest", "validate", "features", "table")
STAGES = (
    *DATA_STAGES,
    *("champion", "train --recipe d2q", "baselines", "evaluate --recipe d2q"),
    *("evaluate_champion", "gate", "oracle", "score", "report"),
)


def night(rows: int, root: Path, stages: Sequence[str]) -> dict[str, dict[str, float]]:
    """Run one simulated night of `rows` impressions in `root`; return stage -> its cost (`tasks.main.timings`)."""
    make_workspace(rows, root)
    for command in (PREPARE, *map(stage_command, stages)):
        run_in(root, command)
    folder = root / ".dwell/timings"
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def make_workspace(rows: int, root: Path) -> None:
    """Write the configuration of a night that reads so many rows, of one cheap recipe; stages run in it by `run_in`."""
    from pydantic import TypeAdapter

    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    source = params["default_source"]
    world: Any = TypeAdapter(SourceConfig).validate_python(params["sources"][source])
    params["sources"][source] = json.loads(world.scaled(rows // DAYS).model_dump_json())
    params["nightly"]["recipes"] = ["d2q"]
    params["training"] |= {"seeds": [0], "max_epochs": 2}
    params["gate"] |= {"minimum_rows": 1, "minimum_users": 1}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    shutil.copy(REPOSITORY / "dvc.yaml", root)


def stage_command(stage: str) -> tuple[str, ...]:
    """Return the command of a stage, which may end with its recipe."""
    return (sys.executable, "-m", "tasks", *stage.split())


def environment() -> dict[str, str]:
    """Return what a process needs that runs this repository's code in another folder."""
    return os.environ | {"PYTHONPATH": str(REPOSITORY)}


def run_in(root: Path, command: Sequence[str]) -> None:
    """Run a command of this repository's code in a workspace."""
    subprocess.run(command, cwd=root, env=environment(), check=True)


def exponent(sizes: list[int], values: list[float]) -> float:
    """Return the slope of log value over log size between the two largest sizes."""
    return math.log(values[-1] / values[-2]) / math.log(sizes[-1] / sizes[-2])


def table(results: dict[int, dict[str, dict[str, float]]]) -> list[str]:
    """Return the Markdown table."""
    sizes = sorted(results)
    head = ["stage", *(f"{size:,} rows: CPU s / s / MiB" for size in sizes), "exponent of CPU time", "of memory"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for stage in results[sizes[0]]:
        measured = [results[size][stage] for size in sizes]
        cells = [f"{m['cpu_seconds']:.1f} / {m['seconds']:.1f} / {m['peak_mib']:.0f}" for m in measured]
        growth = ["-", "-"]
        if len(sizes) > 1:
            growth = [f"{exponent(sizes, [m[key] for m in measured]):.2f}" for key in ("cpu_seconds", "peak_mib")]
        lines.append(f"| {stage} | " + " | ".join([*cells, *growth]) + " |")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every size and write what was found below `scale`: `results`, or `data_stages`, as Markdown and JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("rows", type=int, nargs="*", default=[100_000, 1_000_000], help="sizes, ascending")
    parser.add_argument("--data-stages", action="store_true", help=f"measure {', '.join(DATA_STAGES)} alone")
    asked = parser.parse_args(arguments)
    results = {}
    for size in asked.rows:
        with tempfile.TemporaryDirectory() as root:
            results[size] = night(size, Path(root), DATA_STAGES if asked.data_stages else STAGES)
    where = circumstances()
    folder, name = Path(__file__).parent / "scale", "data_stages" if asked.data_stages else "results"
    write_json(folder / f"{name}.json", {"circumstances": where, "results": results})
    sizes = " ".join(map(str, asked.rows))
    command = (
        f"python -m benchmarks.scale --data-stages {sizes}"
        if asked.data_stages
        else f'make benchmark-scale ROWS="{sizes}"'
    )
    lines = ["# Time and memory of a night, by stage", "", f"Run it: `{command}`", "", *table(results), ""]
    lines += ["Rows are those of the 15 days a night reads (fit, validation, judge and lookback)."]
    lines += [] if asked.data_stages else ["One recipe, one seed, two epochs."]
    lines += [
        "Stages run one after the other. CPU time includes start-up; wall time is of the work alone, on a machine that others",
        "use too. The exponent is the slope between the two largest sizes.",
        "",
    ]
    lines += [f"Measured {where['date']} at commit `{where['commit']}` on {where['cpu']}, {where['cores']} cores,"]
    lines += [f"{where['memory_gib']} GiB; Python {where['python']}, torch {where['torch']}, polars {where['polars']}."]
    write_text(folder / f"{name}.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
