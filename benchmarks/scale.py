"""CPU time, wall time and peak memory of every stage for simulated nights of growing size, with the growth exponents.

Run it: make benchmark-scale ROWS="100000 1000000 10000000". Rows are those of the 15 days a night reads.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tasks.core.files import write_json, write_text
from tasks.ingest.config import SourceConfig
from tasks.protocol.record import circumstances

REPOSITORY = Path(__file__).resolve().parents[1]
DAYS = 15
STAGES = (
    *(
        "ingest",
        "validate",
        "features",
        "table",
        "champion",
        "train --recipe d2q",
        "baselines",
        "evaluate --recipe d2q",
    ),
    *("evaluate_champion", "gate", "oracle", "score", "report"),
)


def night(rows: int, root: Path) -> dict[str, dict[str, float]]:
    """Run one simulated night of `rows` impressions in `root`; return stage -> its cost (`tasks.main.timings`)."""
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
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    for stage in ("prepare", *STAGES):
        module = ["flows.cli", "prepare"] if stage == "prepare" else ["tasks", *stage.split()]
        subprocess.run([sys.executable, "-m", *module], cwd=root, env=environment, check=True)
    folder = root / ".dwell/timings"
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


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


def main(sizes: list[int]) -> None:
    """Measure every size and write `scale/results.md` and `results.json`."""
    results = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as root:
            results[size] = night(size, Path(root))
    where = circumstances()
    folder = Path(__file__).parent / "scale"
    write_json(folder / "results.json", {"circumstances": where, "results": results})
    lines = ["# Time and memory of a night, by stage", ""]
    lines += [f'Run it: `make benchmark-scale ROWS="{" ".join(map(str, sizes))}"`', "", *table(results), ""]
    lines += [
        "Rows are those of the 15 days a night reads (fit, validation, judge and lookback). One recipe, one seed, two epochs;",
        "stages run one after the other. CPU time includes start-up; wall time is of the work alone, on a machine that others",
        "use too. The exponent is the slope between the two largest sizes.",
        "",
    ]
    lines += [f"Measured {where['date']} at commit `{where['commit']}` on {where['cpu']}, {where['cores']} cores,"]
    lines += [f"{where['memory_gib']} GiB; Python {where['python']}, torch {where['torch']}, polars {where['polars']}."]
    write_text(folder / "results.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [100_000, 1_000_000])
