"""One writer at a time in a workspace: nights, stages, preparations, promotions and cleaning take turns.

The operating system lets go of the lock when its holder dies, however it dies; who that is stands beside it.
"""

import contextlib
import datetime as dt
import logging
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from tasks.core.errors import NightError
from tasks.core.files import read_json, remove, write_json
from tasks.core.layout import Workspace
from tasks.core.processes import Owner, end_orphans, inherited_run, own_run, this_process
from tasks.core.settings import Block
from tasks.core.temporaries import sweep
from tasks.night.dvc_files import RWLOCK, is_cut_short

_POLL_S = 1.0
_SAY_AGAIN_S = 600
_log = logging.getLogger(__name__)
Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


class Holder(Block):
    """Who holds a workspace."""

    owner: str
    """the process (`tasks.core.processes.Owner`)"""
    command: str
    since: str
    """wall clock, UTC; for people"""

    def __str__(self) -> str:
        process = Owner.parse(self.owner)
        return f"`{self.command}`" + (
            f" (process {process.pid} on {process.host}, since {self.since})" if process else ""
        )


@contextlib.contextmanager
def holding(
    workspace: Workspace, command: str, wait: bool = False, log: Log = _log, sweeping: bool = True
) -> Iterator[None]:
    """Hold the workspace; part of a run that holds it already (a night's stages, a backfill's nights) just goes on.

    What is left of dead runs is ended first, and named in the log; what they left unfinished is removed.

    Args:
        workspace: what is going to be written.
        command: what for, as others are told.
        wait: whether to wait for its turn instead of being refused.
        log: where waiting and what was ended are said.
        sweeping: whether to end and remove what dead runs left.

    Raises:
        NightError: if another process holds it and `wait` is not set.
        StorageError: if the folder cannot be written.
    """
    standing, run = holder(workspace), inherited_run()
    if standing is not None and run is not None and standing.owner == str(run):
        sweep(workspace.root)
        yield
        sweep(workspace.root)  # a worker may have died, and another have done its work
        return
    path = _holder_file(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name("night.lock"))
    _acquire(lock, workspace, wait, log)
    try:
        if sweeping:
            for line in end_orphans(workspace.root):
                log.warning("ended what a dead run left: process %s", line)
            sweep(workspace.root, alone=True)
            if is_cut_short(workspace.root / RWLOCK):  # DVC itself would refuse to run ever after
                remove(workspace.root / RWLOCK)
        since = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        write_json(path, Holder(owner=str(this_process()), command=command, since=since).model_dump())
        with own_run(workspace.root):
            yield
            sweep(workspace.root)
    finally:
        remove(path)
        lock.release()


def holder(workspace: Workspace) -> Holder | None:
    """Return who holds the workspace; None: nobody does."""
    try:
        found = Holder.model_validate(read_json(_holder_file(workspace)))
    except (OSError, ValueError):
        return None
    owner = Owner.parse(found.owner)
    return None if owner is None or owner.is_dead else found


def _holder_file(workspace: Workspace) -> Path:
    return workspace.scratch / "night.holder.json"


def _acquire(lock: FileLock, workspace: Workspace, wait: bool, log: Log) -> None:
    said = -float("inf")
    while True:
        try:
            lock.acquire(timeout=0)
            return
        except Timeout as error:
            by = f"{workspace.root.resolve()} is held by {holder(workspace) or 'a process that is just starting'}"
            if not wait:
                raise NightError(
                    f"{by}: wait until it has ended (`dwell status` says so), or use another checkout"
                ) from error
            if time.monotonic() - said > _SAY_AGAIN_S:
                said = time.monotonic()
                log.warning("waiting for its turn: %s", by)
            time.sleep(_POLL_S)
