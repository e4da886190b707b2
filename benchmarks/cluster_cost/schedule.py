"""When the work of a night ends on so many cores: list scheduling, first come, first served, as a Dask scheduler deals tasks."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """Tasks of one kind that may run side by side, once what they wait for has ended.

    Attributes:
        name: of the work.
        where: whose cores run it.
        task_s: seconds that each task takes on one core, in the order in which they are dealt.
        after: names of the works whose end it waits for.
    """

    name: str
    where: str
    task_s: Sequence[float]
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Span:
    """When one work ran, in seconds since the night began."""

    began_s: float
    ended_s: float


def simulate(works: Sequence[Work], cores: Mapping[str, int]) -> dict[str, Span]:
    """Return name -> when each work runs, if every task takes the core that is free first.

    A task is dealt when its work may begin, so of two works that of the earlier one is dealt first; nothing is interrupted,
    and no task waits for a core while one is free.

    Args:
        works: in any order; what they wait for is among them.
        cores: where -> number of cores there.

    Raises:
        ValueError: if a work waits for one that is not there, or for itself by others.
    """
    free = {where: [0.0] * number for where, number in cores.items()}
    spans: dict[str, Span] = {}
    waiting = dict(enumerate(works))
    while waiting:
        ready = {
            place: max((spans[name].ended_s for name in work.after), default=0.0)
            for place, work in waiting.items()
            if all(name in spans for name in work.after)
        }
        if not ready:
            left = ", ".join(sorted(work.name for work in waiting.values()))
            raise ValueError(f"{left}: they wait for works that are not there, or for each other")
        place = min(ready, key=lambda one: (ready[one], one))
        work = waiting.pop(place)
        spans[work.name] = _deal(work.task_s, ready[place], free[work.where])
    return spans


def makespan(task_s: Sequence[float], cores: int) -> float:
    """Return when the last of some tasks ends that may all begin at 0."""
    return _deal(task_s, 0.0, [0.0] * cores).ended_s


def _deal(task_s: Sequence[float], ready_s: float, free: list[float]) -> Span:
    """Give tasks to the cores of a heap of the times at which they are free."""
    begins, ends = [], [ready_s]
    for seconds in task_s:
        begin = max(ready_s, free[0])
        heapq.heapreplace(free, begin + seconds)
        begins.append(begin)
        ends.append(begin + seconds)
    return Span(min(begins, default=ready_s), max(ends))
