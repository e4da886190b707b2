"""The end of a night: register the decision, archive the night, and say in a few lines what came out."""

import datetime as dt
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.config import load_params
from tasks.core.files import read_json, write_json, writing
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.core.timings import timings
from tasks.gate import Decision, load_decision
from tasks.registry import Registry, register
from tasks.report import Operations, render_report


@dataclass(frozen=True)
class Outcome:
    """What a night came to."""

    as_of: dt.date
    source: str
    decision: Decision
    headline: tuple[str, ...]
    report: Path

    def summary(self) -> str:
        """Return the lines a person reads at the end of a run."""
        return "\n".join(
            [
                f"night {self.as_of} of {self.source}: {self.decision.verdict.upper()} {self.decision.winner or ''}".rstrip(),
                f"  {self.decision.reason}",
                *(f"  {line}" for line in self.headline),
                f"  report: {self.report}",
            ]
        )

    def summary_markdown(self) -> str:
        """Return the summary as a Prefect artifact shows it."""
        return f"```\n{self.summary()}\n```"


def publish(workspace: Workspace, key: RunKey, stages: Mapping[str, str]) -> Outcome:
    """Register the decision (once), and archive the night with its timings under `nights/`.

    The stages' outputs hold no timings, so that equal inputs give equal bytes; the archived report does.

    Args:
        workspace: where the stages have run.
        key: the night.
        stages: stage -> ran, unchanged or restored.
    """
    params = load_params(workspace.params)
    decision = load_decision(workspace.gate)
    register(Registry(workspace.registry(key.source)), workspace, key, decision)
    archive = workspace.night(key.source, key.as_of)
    operations = Operations(stages=dict(stages), timings=timings(workspace))
    with writing(archive) as folder:
        folder.mkdir()
        for name in ("run.yaml", "params.yaml", "dvc.lock"):
            shutil.copy(workspace.root / name, folder / name)
        shutil.copy(workspace.gate / "decision.json", folder / "decision.json")
        write_json(folder / "operations.json", {"stages": operations.stages, "timings": operations.timings})
        render_report(workspace, params.report, key, folder / "report.html", operations)
    return Outcome(
        key.as_of, key.source, decision, _headline(workspace, params.nightly.challengers), archive / "report.html"
    )


def _headline(workspace: Workspace, challengers: tuple[str, ...]) -> tuple[str, ...]:
    """Return one line per challenger: the flat metrics with their intervals."""
    lines = []
    for name in challengers:
        metrics = read_json(workspace.metrics / f"{name}.json")
        parts = [
            f"{label} {metrics[key]:.4f} [{metrics[f'{key}_low']:.4f}, {metrics[f'{key}_high']:.4f}]"
            for label, key in (("XAUC", "xauc"), ("XGAUC", "xgauc"), ("MAE", "mae"))
            if key in metrics
        ]
        lines.append(f"{name:24s} " + "  ".join(parts))
    return tuple(lines)
