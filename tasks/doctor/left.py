"""What killed processes left: processes, unfinished files, outputs of several nights."""

from collections.abc import Iterator

from tasks.config import load_params
from tasks.core.errors import DwellError
from tasks.core.layout import Workspace
from tasks.core.processes import end_orphans, orphans
from tasks.core.run_key import load_run_key
from tasks.core.temporaries import sweep, unfinished_by_the_dead
from tasks.doctor.finding import Finding
from tasks.night.belonging import foreign


def left(workspace: Workspace) -> Iterator[Finding]:
    """Yield what lies or runs about though nobody needs it; whoever asks holds the workspace."""
    if running := orphans(workspace.root):
        named = "; ".join(running)
        yield Finding(
            f"processes of a dead run go on: {named}",
            "end them (the next night does so)",
            lambda: f"ended {'; '.join(end_orphans(workspace.root))}",
            grave=False,
        )
    if names := unfinished_by_the_dead(workspace.root, alone=True):
        yield Finding(
            f"killed processes left {len(names)} unfinished files or folders ({names[0]} ...)",
            "remove them (the next night does so)",
            lambda: f"removed {len(sweep(workspace.root, alone=True))}",
            grave=False,
        )
    try:
        key = load_run_key(workspace.run_key)
        others = foreign(workspace, load_params(workspace.params), key)
    except DwellError:  # found and named elsewhere, or no night has begun
        return
    if others:
        yield Finding(
            f"outputs of other nights than run.yaml's: {'; '.join(others)}",
            f"`dwell nightly --as-of {key.as_of} --source {key.source}` makes them anew",
            grave=False,
        )
