"""What each stage of a workspace cost when it last ran. No output of a stage holds it; the archive of the night does."""

from pathlib import Path

from tasks.core.document import Document, read_document, read_optional
from tasks.core.layout import Workspace


class StageCost(Document):
    """What one run of a stage cost."""

    seconds: float
    cpu_seconds: float
    """With start-up and children."""
    peak_mib: float


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


def _folder(workspace: Workspace) -> Path:
    return workspace.scratch / "timings"
