"""Starts the processes that fit a recipe together, or joins those that torchrun started, and ends them together.

The process of the stage is rank 0. It starts the others itself, on this machine, unless torchrun has done so. Whichever ends
too soon closes its connections: the others fail in their next exchange and end as well, and rank 0 says which it was and why.
"""

import contextlib
import datetime as dt
import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # torch names it in no __all__
from tqdm import tqdm

from tasks.core.errors import ConfigError, LostError
from tasks.core.memory import keep_freed_memory
from tasks.core.torchrun import torchrun
from tasks.train.config import TrainingConfig
from tasks.train.device import Device
from tasks.train.group import ALONE, Group

Help = Callable[[Group], object]
"""What every process but the first does; it is sent to processes that are started, so pickle must know it."""
_SILENCE = dt.timedelta(minutes=30)
"""How long a process waits for another that lives: longer than rank 0 calibrates between two seeds."""
_PATIENCE_S, _POLL_S = 30.0, 0.02
_BACKEND = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
"""Where tensors are -> what carries them; tables of finished fits are on the CPU."""


@contextlib.contextmanager
def together(config: TrainingConfig, help: Help) -> Iterator[Group]:
    """Yield the processes that `config` asks for, of which this is one; they are gone afterwards.

    Args:
        config: how many, and on which device.
        help: what the others do, where torchrun has not started them.

    Raises:
        ConfigError: if torchrun started another number, or there are fewer CUDA devices than processes.
        LostError: if a process ends before the group is complete.
    """
    size = config.processes
    among = torchrun()
    if among is not None and among.size != size:
        raise ConfigError(
            f"torchrun started {among.size} process(es), but training.processes is {size}: set training.processes: {among.size}, "
            "of which the result is a function"
        )
    if among is not None and size > 1:
        with _joined(config, among.local_rank):
            yield Group(among.rank, size)
        return
    if size == 1:
        yield ALONE
        return
    with _helpers(config, help) as (store, helpers), _joined(config, 0, store, 0):
        yield Group(0, size, lambda: _why(helpers))


@contextlib.contextmanager
def _joined(config: TrainingConfig, local_rank: int, store: TCPStore | None = None, rank: int = -1) -> Iterator[None]:
    """Belong to the group of all processes inside; where torchrun started them, it says how they find each other."""
    device = Device.of(config).name
    if device == "cuda":
        if local_rank >= torch.cuda.device_count():
            raise ConfigError(
                f"training.processes is {config.processes}, but torch sees {torch.cuda.device_count()} CUDA device(s): fit by as "
                "many processes, or set training.device: cpu"
            )
        torch.cuda.set_device(local_rank)
    size = config.processes if store is not None else -1
    dist.init_process_group(_BACKEND[device], store=store, rank=rank, world_size=size, timeout=_SILENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


@dataclass(frozen=True)
class _Helper:
    """A process that was started here.

    Attributes:
        rank: its number.
        process: it.
        said: where it says why it ends, if it knows.
    """

    rank: int
    process: BaseProcess
    said: Connection

    def why(self) -> str | None:
        """Return why it ended by itself; None: it lives, it is done, or it ended because another had."""
        code = self.process.exitcode
        if self.said.poll():
            with contextlib.suppress(EOFError):
                return f"rank {self.rank} ended: {self.said.recv()}"
        if code is not None and code < 0:
            why = f"rank {self.rank} was killed by {signal.Signals(-code).name}"
            return f"{why}, as the system does when memory runs out" if code == -signal.SIGKILL else why
        return None


@contextlib.contextmanager
def _helpers(config: TrainingConfig, help: Help) -> Iterator[tuple[TCPStore, list[_Helper]]]:
    """Start all but the first process, and wait until each is about to join."""
    size = config.processes
    store = TCPStore("127.0.0.1", 0, size, is_master=True, wait_for_workers=False)
    context = multiprocessing.get_context("spawn")
    helpers = []
    try:
        for rank in range(1, size):
            said, says = context.Pipe(duplex=False)
            process = context.Process(target=_help, args=(config, help, rank, store.port, says), daemon=True)
            process.start()
            says.close()
            helpers.append(_Helper(rank, process, said))
        while not store.check([_ready(helper.rank) for helper in helpers]):
            if any(not helper.process.is_alive() for helper in helpers):
                raise LostError(f"processes that fit together did not all start: {_why(helpers)}")
            time.sleep(_POLL_S)
        yield store, helpers
    finally:
        until = time.monotonic() + _PATIENCE_S
        for helper in helpers:
            helper.process.join(max(until - time.monotonic(), 0))
            if helper.process.is_alive():
                helper.process.kill()
            helper.said.close()


def _help(config: TrainingConfig, help: Help, rank: int, port: int, says: Connection) -> None:
    """Be one of the other processes; whatever ends it is left to rank 0 to tell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal; rank 0 ends, and this one with it
    # Its own lock is one of the system's, about which Python complains where this is killed.
    tqdm.set_lock(threading.RLock())
    keep_freed_memory()
    try:
        store = TCPStore("127.0.0.1", port, config.processes, is_master=False)
        store.set(_ready(rank), "")
        with _joined(config, rank, store, rank):
            help(Group(rank, config.processes))
    except LostError:
        sys.exit(1)
    except Exception as error:
        says.send(f"{(str(error) or type(error).__name__).splitlines()[0]}")
        sys.exit(1)


def _ready(rank: int) -> str:
    return f"ready{rank}"


def _why(helpers: list[_Helper]) -> str:
    """Return which helper ended by itself, and why."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        found = [why for helper in helpers if (why := helper.why()) is not None]
        if found or time.monotonic() > until:
            return "; ".join(found) or "none has ended, and one did not answer: is the machine overloaded?"
        time.sleep(_POLL_S)
