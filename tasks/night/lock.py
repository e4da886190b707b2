"""One night at a time in a workspace."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from tasks.core.errors import DwellError
from tasks.core.layout import Workspace


@contextlib.contextmanager
def only_night(workspace: Workspace) -> Iterator[None]:
    """Hold the workspace: one night at a time.

    Raises:
        DwellError: if another night is running here.
    """
    lock = FileLock(workspace.scratch / "night.lock", timeout=0)
    lock_folder = Path(lock.lock_file).parent
    lock_folder.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire()
    except Timeout as error:
        raise DwellError(
            f"another night is running in {workspace.root.resolve()}: wait for it, or use another checkout"
        ) from error
    try:
        yield
    finally:
        lock.release()
