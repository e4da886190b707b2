"""What each stage of a workspace cost when it last ran. No output of a stage holds it; the archive of the night does."""

from collections.abc import Mapping

from tasks.core.files import read_json, write_json
from tasks.core.layout import Workspace


def write_timing(workspace: Workspace, stage: str, cost: Mapping[str, float]) -> None:
    """Keep what one run of a stage cost.

    Args:
        workspace: where it ran.
        stage: name, with `@recipe` where it runs once per recipe.
        cost: seconds, cpu_seconds (with start-up and children) and peak_mib.
    """
    write_json(workspace.scratch / "timings" / f"{stage}.json", cost)


def timings(workspace: Workspace) -> dict[str, dict[str, float]]:
    """Return stage -> what its last run in this workspace cost, as `write_timing` was told."""
    return {path.stem: read_json(path) for path in sorted((workspace.scratch / "timings").glob("*.json"))}
