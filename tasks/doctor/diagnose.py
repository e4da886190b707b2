"""Look at everything, in the order in which one thing explains another."""

from collections.abc import Iterator

from tasks.core.imports import PROJECT
from tasks.core.layout import Workspace
from tasks.doctor.disk import disk
from tasks.doctor.environment import environment
from tasks.doctor.files import files
from tasks.doctor.finding import Finding
from tasks.doctor.left import left
from tasks.doctor.registry import registries
from tasks.doctor.services import services


def diagnose(workspace: Workspace, at_rest: bool = True) -> Iterator[Finding]:
    """Yield what is wrong with an installation and a workspace. Whoever mends holds the workspace.

    Args:
        workspace: where nights run.
        at_rest: whether nothing runs there; else what lies about belongs to what runs.
    """
    yield from environment(PROJECT / "requirements.lock")
    yield from services()
    yield from files(workspace)
    if at_rest:
        yield from left(workspace)
    yield from registries(workspace.root / "registry")
    yield from disk(workspace)
