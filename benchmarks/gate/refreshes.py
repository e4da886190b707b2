"""A year of refits of one configuration, each held to champion and anchor by the product's own checks.

Every refit differs by the same true amount from the champion that it would replace, so refusals stop a decline and accepted
ones carry it on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from benchmarks.gate.bank import Bank, changed, pooled
from benchmarks.gate.lives import YEAR
from benchmarks.gate.promotions import Rule, Settings
from benchmarks.gate.verdicts import harmless
from benchmarks.gate.world import FloatArray
from tasks.evaluate.comparison import Comparison
from tasks.gate.config import GatePolicy
from tasks.gate.decision import all_hold
from tasks.gate.evidence import Pooled, Step
from tasks.gate.rules import aged_refresh_checks, anchor_check, refresh_checks
from tasks.registry.reign import loss_of_moving


@dataclass(frozen=True)
class Refits:
    """One situation.

    Attributes:
        change: true XAUC of every refit above the champion that it would replace.
        rule: what refreshes are held to.
        error: standard error of a night's XAUC; None: as banked. Guardrails are left out where it is given, for theirs do not
            follow.
        policy: of the gate.
    """

    change: float
    rule: Rule = "gate"
    error: float | None = None
    policy: GatePolicy = field(default_factory=GatePolicy)


class Refreshed(NamedTuple):
    """What became of one world.

    Attributes:
        level_N: the champion's true XAUC above the first one's, after each night.
        kind_N: "refresh", "refresh_by_age" or "" (kept).
        anchors: how often the anchor moved.
        lost: what the moves have spent, as the reign counts it.
    """

    level_N: FloatArray
    kind_N: Sequence[str]
    anchors: int
    lost: float


def refreshed(cell: Refits, settings: Settings, chunk: int, worlds: int) -> list[Refreshed]:
    """Follow a chunk of worlds for a year: the same nights for every rule and change."""
    bank = settings.banks.of("none")
    return [
        _Reign(cell, bank, np.random.default_rng([settings.seed, 9, chunk, world])).year() for world in range(worlds)
    ]


class _Reign:
    """The registry of one world: champion, anchor, and the steps against every entry."""

    def __init__(self, cell: Refits, bank: Bank, rng: np.random.Generator) -> None:
        self.cell, self.bank, self.rng = cell, bank, rng
        self.scale = 1.0 if cell.error is None else cell.error / float(bank.typical_errors[0])
        self.level = {-1: 0.0}
        """Entry, named by the night that fitted it -> true XAUC."""
        self.champion = self.anchor = -1
        self.steps: dict[int, list[Step]] = {-1: []}
        self.judged: list[Comparison] = []
        self.lost, self.moves, self.settled = 0.0, 0, False

    def year(self) -> Refreshed:
        levels, kinds = [], []
        for night in range(YEAR):
            kinds.append(self._night(night))
            levels.append(self.level[self.champion])
        return Refreshed(np.array(levels), kinds, self.moves, self.lost)

    def _night(self, night: int) -> str:
        refit = self.level[self.champion] + self.cell.change
        date = int(self.rng.integers(len(self.bank.nights)))
        models = self.rng.permutation(self.bank.equal)[:3]
        judge = self._compare(date, models[0], models[1], refit - self.level[self.champion])
        self.judged = [*self.judged[1 - self.cell.policy.upgrade_days :], judge]
        self._keep(self.champion, judge)
        if self.anchor != self.champion:
            self._keep(self.anchor, self._compare(date, models[0], models[2], refit - self.level[self.anchor]))
        kind = self._former(judge) if self.cell.rule == "former" else self._gate(judge, night)
        if kind:
            self.champion = night
            self.level[night] = refit
            self.steps.setdefault(night, [])
        self._move_anchor()
        return kind

    def _compare(self, night: int, candidate: int, reference: int, gain: float) -> Comparison:
        return changed(self.bank.comparison(night, candidate, reference), gain, self.scale)

    def _keep(self, entry: int, found: Comparison) -> None:
        xauc = found.metrics["xauc"]
        self.steps[entry].append(Step.model_construct(delta=xauc.value, standard_error=xauc.standard_error))

    def _former(self, judge: Comparison) -> str:
        return "refresh" if all_hold(refresh_checks(judge, self.cell.policy)) and self._harmless(judge, judge) else ""

    def _gate(self, judge: Comparison, night: int) -> str:
        """Decide as `tasks.gate.gate` does on a refresh."""
        policy = self.cell.policy
        margins, decisive, by_age = refresh_checks(judge, policy), judge, False
        if not all_hold(margins) and night - self.champion > policy.max_age:
            margins, by_age = aged_refresh_checks(Pooled.of(self.steps[self.champion]), policy)
            decisive = pooled(self.judged)
        since = self.steps[self.anchor]
        anchored = anchor_check(Pooled.of(since if by_age else since[-policy.upgrade_days :]), by_age, policy)
        if not all_hold([*margins, anchored]) or not self._harmless(judge, decisive):
            return ""
        return "refresh_by_age" if by_age else "refresh"

    def _harmless(self, judge: Comparison, decisive: Comparison) -> bool:
        return self.cell.error is not None or harmless(judge, decisive, self.cell.policy)

    def _move_anchor(self) -> None:
        """Let the champion take the anchor's place where the reign's rule lets it: on the first night that it may."""
        if self.settled or self.cell.rule == "former":
            return
        spent = loss_of_moving(self.steps[self.anchor], self.lost, self.cell.policy)
        if spent is None:
            return
        if self.champion == self.anchor:
            self.settled = True
            return
        self.anchor, self.lost, self.moves = self.champion, spent, self.moves + 1
