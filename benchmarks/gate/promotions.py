"""When a world first promotes a challenger, and which: by the gate, and by the rule before it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from benchmarks.gate.former import superior_by_pool
from benchmarks.gate.lives import Banks, Days, Lives, draw
from benchmarks.gate.paths import BoolArray, superior
from benchmarks.gate.verdicts import evidence_of, guarded, upgraded
from benchmarks.gate.workers import mapped
from benchmarks.gate.world import FloatArray
from tasks.gate.config import GatePolicy
from tasks.gate.evidence_process import PRIOR_NIGHTS

Rule = Literal["former", "gate"]
CHALLENGERS = (1, 5, 20)
CHUNK = 50
"""Worlds that are computed together."""
HELD_AGAINST = 10
"""One world in so many has its decisive nights held against `weigh` where a challenger is truly better; all have where none is."""
T = TypeVar("T")
C = TypeVar("C")


class Promotion(NamedTuple):
    """The first promotion of a world: the night, counted from 1, and the challenger."""

    night: int
    challenger: int


@dataclass(frozen=True)
class Settings:
    """How much is simulated.

    Attributes:
        banks: the nights.
        worlds: of every cell.
        processes: at work together.
        seed: of all that is drawn.
    """

    banks: Banks
    worlds: int
    processes: int = 1
    seed: int = 0

    @property
    def challengers(self) -> tuple[int, ...]:
        """Numbers of challengers that are followed, as far as the bank has models."""
        return tuple(k for k in CHALLENGERS if k < self.banks.equal)


@dataclass(frozen=True)
class Cell:
    """One situation whose worlds are followed.

    Attributes:
        challengers: K.
        days: what a day does.
        gain: XAUC by which challenger 0 is truly better; None: all are equal.
        rule: by which challengers are promoted.
        policy: of the gate.
        precision: r of the prior, as a multiple of 20 s^2 with the mean s of the bank; None: s of the reign's first night.
    """

    challengers: int
    days: Days = "none"
    gain: float | None = None
    rule: Rule = "gate"
    policy: GatePolicy = field(default_factory=GatePolicy)
    precision: float | None = None


def over_worlds(
    work: Callable[[C, Settings, int, int], Sequence[T]], cells: Sequence[C], settings: Settings
) -> list[list[T]]:
    """Return what `work(cell, settings, number, worlds)` gives for every chunk of every cell's worlds, joined by cell."""
    sizes = [min(CHUNK, settings.worlds - start) for start in range(0, settings.worlds, CHUNK)]
    tasks = [(cell, settings, number, size) for cell in cells for number, size in enumerate(sizes)]
    found = list(mapped(partial(_apply, work), tasks, settings.processes))
    return [
        [one for chunk in found[place : place + len(sizes)] for one in chunk]
        for place in range(0, len(found), len(sizes))
    ]


def _apply(work: Callable[..., T], task: tuple[object, ...]) -> T:
    return work(*task)


def drawn(cell: Cell, settings: Settings, chunk: int, worlds: int) -> Lives:
    """Draw a chunk of a cell's worlds: the same ones for every rule and policy."""
    seed = [settings.seed, cell.challengers, round(10_000 * (cell.gain or 0)), *cell.days.encode(), chunk]
    return draw(settings.banks, cell.days, worlds, cell.challengers, np.random.default_rng(seed), cell.gain)


def first_promotions(cell: Cell, settings: Settings, chunk: int, worlds: int) -> list[Promotion | None]:
    """Follow a chunk of worlds until each first promotes a challenger; None: never in a year."""
    lives = drawn(cell, settings, chunk, worlds)
    found = called_better(cell, lives)
    return [first_in(cell, lives, world, found[world]) for world in range(worlds)]


def called_better(cell: Cell, lives: Lives) -> BoolArray:
    """Return [W, N, K]: whether the cell's rule calls a challenger better on a night."""
    if cell.rule == "former":
        return superior_by_pool(lives.increments, cell.policy)
    return superior(lives.increments, cell.policy, _precision(cell, lives))


def _precision(cell: Cell, lives: Lives) -> FloatArray | None:
    if cell.precision is None:
        return None
    worlds, challengers = lives.increments.delta_WKTN.shape[:2]
    fixed = cell.precision * PRIOR_NIGHTS * lives.bank.typical_errors**2
    return np.broadcast_to(fixed, (worlds, challengers, fixed.size))


def first_in(cell: Cell, lives: Lives, world: int, found_NK: BoolArray) -> Promotion | None:
    """Return the first that also holds its guardrails. Of several on one night the last is taken: a wrong one, if any."""
    for night in np.flatnonzero(found_NK.any(axis=1)):
        named = np.flatnonzero(found_NK[night])
        if cell.rule == "gate" and cell.precision is None and (cell.gain is None or world % HELD_AGAINST == 0):
            _agree(lives, world, int(night), named.tolist(), cell.policy)
        passed = [k for k in named.tolist() if guarded(lives, world, int(night), k, cell.policy)]
        if passed:
            return Promotion(int(night) + 1, passed[-1])
    return None


def _agree(lives: Lives, world: int, night: int, named: Sequence[int], policy: GatePolicy) -> None:
    """Check that the product calls the same challengers better on a decisive night.

    Raises:
        RuntimeError: if it does not.
    """
    judged = [k for k, one in enumerate(evidence_of(lives.increments, world, night, policy)) if upgraded(one, policy)]
    if judged != list(named):
        raise RuntimeError(f"night {night + 1}: running sums call {named} better, weigh calls {judged}")


def share(hits: Sequence[bool]) -> str:
    """Return a percentage with its Monte-Carlo standard error."""
    p = float(np.mean(hits))
    return f"{100 * p:.1f} ± {100 * math.sqrt(max(p * (1 - p), 1e-12) / len(hits)):.1f}"


def by_night(found: Sequence[Promotion | None], night: int) -> list[bool]:
    """Return which worlds have promoted anything by a night."""
    return [one is not None and one.night <= night for one in found]
