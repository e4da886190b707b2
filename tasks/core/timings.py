"""What each stage of a workspace cost when it last ran, and when the last night had it run.

No output of a stage holds it; the archive of the night does.
"""

import datetime as dt
from pathlib import Path

from tasks.core.document import Document, read_document, read_optional
from tasks.core.files import remove
from tasks.core.layout import Workspace

FAILED = "failed"
"""Outcome of a stage that ended with an error."""


class StageCost(Document):
    """What one run of a stage cost."""

    seconds: float
    cpu_seconds: float
    """With start-up and children."""
    peak_mib: float


class StageSpan(Document):
    """One stage of one night, by the wall clock: DVC's check whether it has to run included."""

    began: dt.datetime
    """UTC"""
    ended: dt.datetime
    """UTC"""
    outcome: str
    """ran, unchanged, restored or failed"""


def write_timing(workspace: Workspace, stage: str, cost: StageCost) -> None:
    """Keep what one run of a stage cost.

    Args:
        workspace: where it ran.
        stage: name, with `@recipe` where it runs once per recipe.
        cost: of the run.
    """
    cost.write(_folder(workspace) / f"{stage}.json")


def last_cost(workspace: Workspace, stage: str) -> StageCost | None:
    """Return what the last run of one stage in this workspace cost; None: it never ran here."""
    return read_optional(_folder(workspace) / f"{stage}.json", StageCost, stage)


def timings(workspace: Workspace) -> dict[str, StageCost]:
    """Return stage -> what its last run in this workspace cost, as `write_timing` was told."""
    files = sorted(_folder(workspace).glob("*.json"))
    return {path.stem: read_document(path, StageCost, path.stem) for path in files}


def write_span(workspace: Workspace, stage: str, began: dt.datetime, outcome: str) -> None:
    """Keep when a stage of the night began, and that it ends now; of a stage that is tried again, its last attempt.

    Args:
        workspace: where it ran.
        stage: name, with `@recipe` where it runs once per recipe.
        began: UTC.
        outcome: ran, unchanged, restored or failed.
    """
    StageSpan(began=began, ended=dt.datetime.now(dt.UTC), outcome=outcome).write(_spans(workspace) / f"{stage}.json")


def spans(workspace: Workspace) -> dict[str, StageSpan]:
    """Return stage -> when the last night in this workspace had it run, by the time it began."""
    found = {path.stem: read_document(path, StageSpan, path.stem) for path in _spans(workspace).glob("*.json")}
    return dict(sorted(found.items(), key=lambda one: (one[1].began, one[0])))


def forget_spans(workspace: Workspace) -> None:
    """Begin a night: forget the spans of the one before."""
    remove(_spans(workspace))


def _folder(workspace: Workspace) -> Path:
    return workspace.scratch / "timings"


def _spans(workspace: Workspace) -> Path:
    return workspace.scratch / "spans"
