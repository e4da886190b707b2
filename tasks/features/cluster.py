"""Run a partition function over its tasks: in this process, or on a Dask cluster. The bytes are the same."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from tasks.features.config import ClusterAddress, ClusterConfig, NoCluster

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
    """
    if isinstance(config, NoCluster):
        yield lambda function, tasks: [function(task) for task in tasks]
        return
    import distributed  # costs seconds, and only clusters need it

    with _cluster(config, distributed) as cluster, distributed.Client(cluster) as client:  # type: ignore[no-untyped-call]

        def run(function: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
            futures = client.map(function, tasks, pure=False)
            return list(client.gather(futures))

        yield run


@contextmanager
def _cluster(config: ClusterConfig, distributed: Any) -> Iterator[Any]:
    """Yield a running local cluster, or the address of one."""
    if isinstance(config, ClusterAddress):
        yield config.address
        return
    assert config.kind == "local"
    threads = max(1, (os.cpu_count() or 1) // config.workers)
    with distributed.LocalCluster(
        n_workers=config.workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        worker_dashboard_address=None,
        env={"POLARS_MAX_THREADS": str(threads)},
    ) as cluster:
        yield cluster
