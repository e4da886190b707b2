"""Run a partition function over its tasks: in this process, or on a Dask cluster. The bytes are the same."""

import contextlib
import datetime as dt
import logging
import os
import platform
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from models.ranges import Number, Threads
from tasks.core import arithmetic
from tasks.core.errors import MachineError
from tasks.core.machine import LIBRARIES
from tasks.core.manifest import product_hash
from tasks.core.remote import Files, Returned, Shipped, Shipping, no_files, run_shipped
from tasks.core.settings import Block
from tasks.core.store import URL, Store, names_credentials, why_no_store

_POLL_S, _ALONE_S = 2.0, 30.0
"""How often workers are looked for, and how long a cluster may have none: a nanny restarts one within seconds."""
_STARTS = 3
"""Attempts to start a local cluster."""
_MEMORY_EVENT = "worker-restart-memory"
"""Topic under which a nanny tells the scheduler that it ends a worker for its memory."""
DASHBOARD = re.compile(r"dashboard of the Dask cluster: (\S+)")
PROGRESS = re.compile(r"(\d+) of (\d+) tasks are done on the Dask cluster")
"""What the log of a stage says of its cluster, for those who read logs."""
_MORE_MEMORY = (
    "give each worker more (fewer cluster.workers, a larger cluster.memory_gib, `dask worker --memory-limit`), or set "
    "cluster: {kind: none}"
)
_log = logging.getLogger(__name__)
Task = TypeVar("Task")
Result = TypeVar("Result")


class NoCluster(Block):
    """Partitions are built one after the other in this process, each with all cores."""

    kind: Literal["none"] = "none"


class LocalCluster(Block):
    """Partitions are built by Dask worker processes on this machine."""

    kind: Literal["local"] = "local"
    workers: Threads = 2
    """worker processes, one thread each"""
    memory_gib: Number | None = Field(default=None, gt=0, le=2**16, exclude_if=lambda gib: gib is None)
    """what each may use, beyond which it is ended and its partition tried again; null: an equal share of the machine"""


def _without_credentials(url: object) -> object:
    """Return an address; one with a user or password is refused in words that do not repeat it."""
    if names_credentials(url):
        raise PydanticCustomError("credentials", "holds a user or a password: credentials come from the environment")
    return url


def _a_store(url: str) -> str:
    if why := why_no_store(url):
        raise ValueError(why)
    return url


class ClusterAddress(Block):
    """Partitions are built by a running Dask cluster."""

    model_config = ConfigDict(hide_input_in_errors=True)

    kind: Literal["address"] = "address"
    address: Annotated[str, BeforeValidator(_without_credentials), Field(pattern=r"^(tcp|tls|ucx|ws|wss)://\S+$")]
    """scheduler address, for example tcp://scheduler:8786"""
    storage: (
        Annotated[str, BeforeValidator(_without_credentials), Field(pattern=URL), AfterValidator(_a_store)] | None
    ) = Field(default=None, exclude_if=lambda url: url is None)
    """what workers read and write passes through it: s3://bucket/prefix, or another URL of fsspec, without credentials; null: they see the workspace"""


HERE = NoCluster()
ClusterConfig = Annotated[NoCluster | LocalCluster | ClusterAddress, Field(discriminator="kind")]


class Map(Protocol):
    """Apply a function to every task and return the results in order."""

    def __call__(
        self, function: Callable[[Task], Result], tasks: Sequence[Task], files: Callable[[Task], Files] = no_files
    ) -> list[Result]:
        """Apply it.

        Args:
            function: of a task.
            tasks: to apply it to.
            files: what the function reads and writes for a task, for workers that see no disk of this machine.
        """


@contextmanager
def partition_map(config: ClusterConfig, seen: Path) -> Iterator[Map]:
    """Yield the way to map partition functions that the configuration asks for.

    Functions get and return small values; data passes through files. A function that a lost worker leaves undone is
    run again elsewhere, so it must be idempotent. A cluster is started, or connected to, when there is a first task.

    Args:
        config: where functions run.
        seen: folder that stands and that every worker must see at the same path.

    Raises:
        MachineError: if workers keep dying under a task or before they have registered, or none is left; if a task needs more
            memory than workers have; if one has other code or libraries than this process, which would give other bytes, or
            does not see the files.
    """
    if isinstance(config, NoCluster):
        yield one_after_the_other
        return
    with contextlib.ExitStack() as stack:
        clients: list[Any] = []
        shippings: list[Shipping] = []
        storage = config.storage if isinstance(config, ClusterAddress) else None

        def run(
            function: Callable[[Task], Result], tasks: Sequence[Task], files: Callable[[Task], Files] = no_files
        ) -> list[Result]:
            if not tasks:
                return []
            import distributed  # costs seconds, and only clusters need it

            # It tells of every connection, which would bury what the stage says.
            logging.getLogger("distributed").setLevel(logging.WARNING)
            if storage is not None and not shippings:
                shippings.append(Shipping(Store(storage)))
            if not clients:
                clients.append(stack.enter_context(_client(config, distributed)))
            here = Environment.here()
            if not shippings:
                return _results(clients[0], partial(_alike, here, seen.absolute(), function), tasks, distributed)
            (shipping,) = shippings
            shipped = [
                shipping.pack(function, task, files(task), _named(tasks, place)) for place, task in enumerate(tasks)
            ]
            returned = _results(clients[0], partial(_remotely, here, shipping.store.url), shipped, distributed)
            return [shipping.unpack(*of) for of in zip(shipped, returned, strict=True)]

        yield run


def one_after_the_other(
    function: Callable[[Task], Result], tasks: Sequence[Task], files: Callable[[Task], Files] = no_files
) -> list[Result]:
    """Apply a function to tasks in this process."""
    return [function(task) for task in tasks]


@dataclass(frozen=True)
class Environment:
    """What the bytes of a partition depend on beside its task.

    Attributes:
        code: hash of the code of dwell.
        versions: of Python and of the libraries that compute and write, by name.
        kernels: those that are named, by environment variable.
    """

    code: str
    versions: Mapping[str, str]
    kernels: Mapping[str, str]

    @classmethod
    @cache
    def here(cls) -> "Environment":
        """Return that of this process, as it was when it was first asked: a worker keeps the code that it has loaded."""
        libraries = {name: version(name) for name in (*LIBRARIES, "pyarrow")}
        return cls(product_hash(), {"Python": platform.python_version(), **libraries}, arithmetic.named())

    def differences(self, other: "Environment") -> list[str]:
        """Return what another one has instead, in words; none: they are alike."""
        mine, theirs = ({**of.versions, **of.kernels} for of in (self, other))
        said = [
            f"{name} {theirs[name] or 'unset'} instead of {value or 'unset'}"
            for name, value in mine.items()
            if theirs[name] != value
        ]
        return said + (["another version of dwell"] if other.code != self.code else [])


def _alike(expected: Environment, seen: Path, function: Callable[[Task], Result], task: Task) -> Result:
    """Run a function on a worker that is like the process that asks, and sees its files.

    Raises:
        MachineError: if the worker is not or does not.
    """
    _require_alike(expected)
    if not seen.is_dir():
        raise MachineError(
            f"a worker of the Dask cluster on {platform.node()} does not see {seen}: let it see the workspace at the same path, or "
            "name a store that it reaches in cluster.storage"
        )
    return function(task)


def _remotely(expected: Environment, url: str, shipped: Shipped) -> Returned:
    """Run a task on a worker that sees no file of the process that asks; errors as for `_alike`."""
    _require_alike(expected)
    return run_shipped(url, shipped)


def _require_alike(expected: Environment) -> None:
    if differences := expected.differences(Environment.here()):
        raise MachineError(
            f"a worker of the Dask cluster on {platform.node()} has {', '.join(differences)}, which may give other bytes: give it the "
            "environment of the machine that runs the stage, and start it again in the workspace by `python -m tasks.core.arithmetic dask "
            "worker ...`, which names the kernels of the night"
        )


def _results(client: Any, function: Callable[[Task], Result], tasks: Sequence[Task], distributed: Any) -> list[Result]:
    ended_before = len(client.get_events(_MEMORY_EVENT))
    futures = client.map(function, tasks, pure=False)
    _log.info("%d tasks on the Dask cluster %s", len(tasks), client.scheduler.address)
    try:
        _wait(client, futures, distributed)
        return list(client.gather(futures))
    except CancelledError as error:
        raise MachineError("the Dask scheduler was lost: start it again, or set cluster: {kind: none}") from error
    except distributed.KilledWorker as error:
        which = _named(tasks, [future.key for future in futures].index(error.task))
        if ended := client.get_events(_MEMORY_EVENT)[ended_before:]:
            most_gib = max(event["rss"] for _, event in ended) / 2**30
            limit_gib = error.last_worker.memory_limit / 2**30
            raise MachineError(
                f"out of memory: workers of the Dask cluster were ended again and again under {which}, the last of them with "
                f"{most_gib:.1f} GiB in use of {limit_gib:.1f} that it may use: {_MORE_MEMORY}"
            ) from error
        raise MachineError(
            f"workers of the Dask cluster died again and again under {which}: they were killed, or the system had no memory "
            f"left: {_MORE_MEMORY}"
        ) from error
    except MemoryError as error:
        failed = [future.status for future in futures].index("error")
        raise MachineError(
            f"out of memory: a worker of the Dask cluster got no more under {_named(tasks, failed)}: {_MORE_MEMORY}"
        ) from error


def _named(tasks: Sequence[Any], place: int) -> str:
    """Say which task it is: by its day or name, where it has one."""
    task = tasks[place]
    if isinstance(task, Shipped):
        return task.name
    name = next((value for key in ("day", "name") if (value := getattr(task, key, None)) is not None), task)
    said = f" ({name})" if isinstance(name, str) else f" ({name.isoformat()})" if type(name) is dt.date else ""
    return f"task {place + 1} of {len(tasks)}{said}"


def _wait(client: Any, futures: Sequence[Any], distributed: Any) -> None:
    """Wait for all futures, and say every tenth of them; a scheduler without workers would let one wait for ever."""
    alone_since: float | None = None
    tenths = 0
    while True:
        with contextlib.suppress(TimeoutError):
            distributed.wait(futures, timeout=_POLL_S)
            _log.info("%d of %d tasks are done on the Dask cluster", len(futures), len(futures))
            return
        done = sum(future.done() for future in futures)
        if done * 10 // len(futures) > tenths:
            tenths = done * 10 // len(futures)
            _log.info("%d of %d tasks are done on the Dask cluster", done, len(futures))
        if client.scheduler_info()["workers"]:
            alone_since = None
        elif alone_since is None:
            alone_since = time.monotonic()
        elif time.monotonic() - alone_since > _ALONE_S:
            raise MachineError(
                f"the Dask cluster has had no worker for {_ALONE_S:g} s, and {len(futures)} tasks wait for one: start "
                "workers that have this environment (the log of one says why it left), or set cluster: {kind: none}"
            )


@contextmanager
def _client(config: LocalCluster | ClusterAddress, distributed: Any) -> Iterator[Any]:
    """Yield a client of a local cluster that runs as long, or of the one at an address."""
    if isinstance(config, ClusterAddress):
        with _connected(config.address, distributed) as client:
            if "dashboard" in client.scheduler_info()["services"]:
                _log.info("dashboard of the Dask cluster: %s", client.dashboard_link)
            yield client
        return
    threads = max(1, (os.cpu_count() or 1) // config.workers)
    cluster = _started(config, {"POLARS_MAX_THREADS": str(threads)}, distributed)
    try:
        with distributed.Client(cluster) as client:
            yield client
    finally:
        _close(cluster)


def _connected(address: str, distributed: Any) -> Any:
    """Return a client of the scheduler at an address.

    Raises:
        MachineError: if none answers.
    """
    try:
        return distributed.Client(address)
    except (OSError, TimeoutError, ValueError) as error:
        raise MachineError(
            f"no Dask scheduler answers at cluster.address {address} ({str(error) or type(error).__name__}): start it, or set cluster: "
            "{kind: none}"
        ) from error


def _started(config: LocalCluster, environment: dict[str, str], distributed: Any) -> Any:
    """Return a running local cluster; one whose worker dies before it has registered does not come up, and is begun again.

    It answers who has the certificate that is made for it and lives in the memory of its processes: tasks are code. It has
    no dashboard, which answers everybody on the machine.
    """
    attempt = 1
    while True:
        try:
            return distributed.LocalCluster(
                n_workers=config.workers,
                memory_limit="auto" if config.memory_gib is None else round(config.memory_gib * 2**30),
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
                    f"a local Dask cluster of {config.workers} workers did not start in {_STARTS} attempts ({error}): its workers are out "
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
