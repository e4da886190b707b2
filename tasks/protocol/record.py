"""Write down what a protocol gave: one Markdown table and the numbers behind it, with where and how they were made."""

import datetime as dt
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.core import arithmetic
from tasks.core.files import write_json, write_text
from tasks.core.machine import this_machine
from tasks.evaluate.catalogue import ACROSS_DAYS, label
from tasks.protocol.as_published import PUBLISHED
from tasks.protocol.config import Protocol

UNKNOWN = "unknown"
"""Commit of what lies in no repository, or in one without any."""
COLUMNS: Mapping[str, tuple[str, int]] = {
    "xauc": ("XAUC", 4),
    "xgauc": ("XGAUC", 4),
    ACROSS_DAYS: (label(ACROSS_DAYS), 4),
    "mae": ("MAE, s (calibrated median)", 2),
    "rmse": ("RMSE, s (calibrated mean)", 2),
    "tre_signed": ("signed TRE", 3),
    "dce_rel": ("DCE_rel", 3),
}


def circumstances() -> dict[str, Any]:
    """Return hardware, date, commit and versions of the machine that measures."""
    machine = this_machine()
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "commit": commit(),
        "cpu": machine.cpu,
        "cores": machine.cores,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": machine.python,
        "torch": machine.libraries["torch"],
        "polars": machine.libraries["polars"],
        "arithmetic": os.environ.get(arithmetic.CAPABILITY, "native"),
    }


def record(protocol: Protocol, results: Mapping[str, Mapping[str, Any]], folder: Path) -> Path:
    """Write results.json and results.md into `folder`; return the latter."""
    where = circumstances()
    seeds = protocol.params.training.seeds
    write_json(folder / "results.json", {"circumstances": where, "seeds": seeds, "results": _compact(results)})
    lines = [f"# {protocol.title}", "", protocol.about.strip(), "", f"Run it: `{protocol.command}`", ""]
    lines += _table(results)
    lines += ["", *_as_published(results)]
    if protocol.references:
        lines += ["", *_references(protocol)]
    lines += [
        "",
        "Entries: mean over the fits ± standard deviation between fits [95 % user-bootstrap interval of that mean].",
        f"Seeds {', '.join(map(str, seeds))}; baselines are fitted once.",
        "",
        f"Measured {where['date']} at commit `{where['commit']}` on {where['cpu']}, {where['cores']} cores, "
        f"{where['memory_gib']} GiB; Python {where['python']}, torch {where['torch']}, polars {where['polars']}.",
    ]
    return write_text(folder / "results.md", "\n".join(lines) + "\n")


def _table(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    head = ["model", "fits", *(label for label, _ in COLUMNS.values())]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for group, models in results.items():
        lines.append(f"| **{group}** |" + " |" * (len(head) - 1))
        for name, document in models.items():
            cells = [_cell(document["metrics"].get(metric), digits) for metric, (_, digits) in COLUMNS.items()]
            lines.append(f"| {name} | {len(document['seeds'])} | " + " | ".join(cells) + " |")
    rows = {(document["rows"], document["users"]) for models in results.values() for document in models.values()}
    stated = ", ".join(f"{row:,} rows of {users:,} users" for row, users in sorted(rows))
    return [*lines, "", f"Judge rows: {stated}."]


def _as_published(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = ["As published code has it, only to hold a figure against theirs:", ""]
    lines += [f"- `{name}`: {metric.meaning}" for name, metric in PUBLISHED.items()]
    lines += ["", "| model | XAUC, ours | " + " | ".join(PUBLISHED) + " |", "|---" * (2 + len(PUBLISHED)) + "|"]
    for group, models in results.items():
        for name, document in models.items():
            values = [document["metrics"]["xauc"]["value"], *(document["as_published"][kind] for kind in PUBLISHED)]
            cells = ["-" if value is None else f"{value:.4f}" for value in values]
            lines.append(f"| {name} ({group}) | " + " | ".join(cells) + " |")
    return lines


def _references(protocol: Protocol) -> list[str]:
    lines = [" ".join(["Reference figures on this protocol.", protocol.of_references]).strip(), ""]
    lines += [f"| reference | XAUC | strict XAUC | {label(ACROSS_DAYS)} | MAE, s |", "|---|---|---|---|---|"]
    for row in protocol.references:
        values = (row.xauc, row.xauc_strict, row.xgauc_across_days, row.mae)
        cells = ["" if value is None else f"{value:g}" for value in values]
        lines.append(f"| {row.model} | " + " | ".join(cells) + " |")
    return lines


def _cell(estimate: Mapping[str, Any] | None, digits: int) -> str:
    if estimate is None or estimate["value"] is None:
        return "-"
    spread = f" ± {estimate['seed_sd']:.{digits}f}" if estimate["seed_sd"] is not None else ""
    interval = ""
    if estimate["low"] is not None:
        interval = f" [{estimate['low']:.{digits}f}, {estimate['high']:.{digits}f}]"
    return f"{estimate['value']:.{digits}f}{spread}{interval}"


def _compact(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    kept = ("value", "low", "high", "seed_sd", "per_seed")
    return {
        group: {
            name: {metric: {key: value[key] for key in kept} for metric, value in document["metrics"].items()}
            | {metric: {"value": value} for metric, value in document["as_published"].items()}
            for name, document in models.items()
        }
        for group, models in results.items()
    }


def commit(here: Path = Path(__file__).parent) -> str:
    """Return the commit that a folder's repository stands at, with "-dirty" where what is measured differs from it.

    What earlier measurements have just written is not measured.
    """

    def git(*arguments: str) -> str:
        try:
            done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, cwd=here)
        except FileNotFoundError:  # an installation without git
            return ""
        return done.stdout.strip()

    written = (f":(top,exclude,glob)benchmarks/**/{name}" for name in ("results/**", "results.md", "results.json"))
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", *written)
    name = git("rev-parse", "--short=12", "HEAD")
    return f"{name}-dirty" if name and changed else name or UNKNOWN
