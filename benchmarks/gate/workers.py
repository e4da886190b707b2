"""Work on several processes."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def mapped(work: Callable[[T], R], tasks: Sequence[T], processes: int) -> Iterable[R]:
    """Yield `work(task)` in order of the tasks; with one process, in this one."""
    if processes == 1 or not tasks:
        yield from map(work, tasks)
        return
    # Polars has threads of its own, which a forked process would wait for in vain.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, tasks)
