"""Run a partition function over its tasks: in this process, or on a Dask cluster. The bytes are the same."""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from tasks.core.errors import MachineError
from tasks.features.config import ClusterAddress, ClusterConfig, NoCluster

_POLL_S, _ALONE_S = 2.0, 30.0
"""How often workers are looked for, and how long a cluster may have none: a nanny restarts one within seconds."""
_STARTS = 3
"""Attempts to start a local cluster."""
_log = logging.getLogger(__name__)
Task = TypeVar("Task")
Result = TypeVar("Result")


class Map(Protocol):
    """Apply a function to every task and return the results in order."""

    def __call__(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]: ...


@contextmanager
def partition_map(config: ClusterConfig) -> Iterator[Map]:
    """Yield the way to map partition functions that the configuration asks for.

    Functions get and return small values; data passes through files. A function that a lost worker leaves undone is
    run again elsewhere, so it must be idempotent.

    Raises:
        MachineError: if workers keep dying under a task or before they have registered, or none is left.
    """
    if isinstance(config, NoCluster):
        yield lambda function, tasks: [function(task) for task in tasks]
        return
    import distributed  # costs seconds, and only clusters need it

    with _cluster(config, distributed) as cluster, distributed.Client(cluster) as client:  # type: ignore[no-untyped-call]

        def run(function: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
            futures = client.map(function, tasks, pure=False)
            try:
                _wait(client, futures, distributed)
                return list(client.gather(futures))
            except CancelledError as error:
                raise MachineError(
                    "the Dask scheduler was lost: start it again, or set cluster: {kind: none}"
                ) from error
            except distributed.KilledWorker as error:
                raise MachineError(
                    f"workers of the Dask cluster died again and again under one task ({error.task}): they are out of "
                    "memory or were killed; give them more memory, or set cluster: {kind: none}"
                ) from error

        yield run


def _wait(client: Any, futures: Sequence[Any], distributed: Any) -> None:
    """Wait for all futures; a scheduler without workers would let one wait for ever."""
    alone_since: float | None = None
    while True:
        with contextlib.suppress(TimeoutError):
            distributed.wait(futures, timeout=_POLL_S)
            return
        if client.scheduler_info()["workers"]:
            alone_since = None
        elif alone_since is None:
            alone_since = time.monotonic()
        elif time.monotonic() - alone_since > _ALONE_S:
            raise MachineError(
                f"the Dask cluster has had no worker for {_ALONE_S:g} s, and {len(futures)} tasks wait for one: start "
                "workers, or set cluster: {kind: none}"
            )


@contextmanager
def _cluster(config: ClusterConfig, distributed: Any) -> Iterator[Any]:
    """Yield a running local cluster, or the address of one."""
    if isinstance(config, ClusterAddress):
        yield config.address
        return
    assert config.kind == "local"
    threads = max(1, (os.cpu_count() or 1) // config.workers)
    cluster = _started(config.workers, {"POLARS_MAX_THREADS": str(threads)}, distributed)
    try:
        yield cluster
    finally:
        _close(cluster)


def _started(workers: int, environment: dict[str, str], distributed: Any) -> Any:
    """Return a running local cluster; one whose worker dies before it has registered does not come up, and is begun again.

    It answers who has the certificate that is made for it and lives in the memory of its processes: tasks are code.
    """
    attempt = 1
    while True:
        try:
            return distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                worker_dashboard_address=None,
                env=environment,
                security=distributed.Security.temporary(),
            )
        except (RuntimeError, OSError, TimeoutError) as error:
            if attempt == _STARTS:
                raise MachineError(
                    f"a local Dask cluster of {workers} workers did not start in {_STARTS} attempts ({error}): its workers are out "
                    "of memory or were killed; name fewer in cluster.workers, or set cluster: {kind: none}"
                ) from error
            attempt += 1
            _log.warning("the local Dask cluster did not start (%s): attempt %d of %d", error, attempt, _STARTS)


def _close(cluster: Any) -> None:
    """Close a local cluster; what Dask says of a worker that was just starting must not hide why the cluster is closed.

    A nanny that starts a worker anew at that moment fails an assertion of its own ("can only join a started process").
    """
    try:
        cluster.close()
    except (AssertionError, RuntimeError, OSError) as error:
        _log.warning(
            "the local Dask cluster did not close in order (%s): what is left of it ends with this process", error
        )
        cluster.shutdown_on_close = False  # else Dask waits for it once more when the process ends
