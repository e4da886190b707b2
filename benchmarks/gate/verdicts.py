"""The product's own verdict on a night of a world: `weigh`, the checks of an upgrade, and the guardrails."""

import datetime as dt
from collections.abc import Sequence

from benchmarks.gate.bank import pooled
from benchmarks.gate.lives import Lives
from benchmarks.gate.paths import Increments
from tasks.evaluate.catalogue import TESTED
from tasks.evaluate.comparison import Comparison
from tasks.gate.config import GatePolicy
from tasks.gate.decision import all_hold
from tasks.gate.evidence import Increment, Reign, ReignEvidence, Step, weigh
from tasks.gate.guardrails import level_checks, relative_checks
from tasks.gate.rules import nights_check, upgrade_checks

FIRST_NIGHT = dt.date(2022, 5, 1)
CHAMPION = "champion"


def evidence_of(increments: Increments, world: int, night: int, policy: GatePolicy) -> Sequence[ReignEvidence]:
    """Return what the ledger of a reign says on every challenger after this night, counted from 0."""
    delta, error = increments.delta_WKTN[world], increments.error_WKTN[world]
    kept = tuple(
        Increment.model_construct(
            night=FIRST_NIGHT + dt.timedelta(days=day),
            recipe_hash=str(challenger),
            against="champion",
            reference="e0",
            metrics={
                name: Step.model_construct(
                    delta=float(delta[challenger, metric, day]), standard_error=float(error[challenger, metric, day])
                )
                for metric, name in enumerate(TESTED)
            },
        )
        for day in range(night + 1)
        for challenger in range(delta.shape[0])
    )
    reign = Reign.model_construct(since=FIRST_NIGHT, anchor="e0", increments=kept)
    found = weigh(reign, (), CHAMPION, policy)
    return [found[str(challenger)] for challenger in range(delta.shape[0])]


def upgraded(evidence: ReignEvidence, policy: GatePolicy) -> bool:
    """Return whether the nights of the reign suffice and call it better, with both margins kept."""
    return all_hold([nights_check(evidence, policy), *upgrade_checks(evidence, policy)])


def guarded(lives: Lives, world: int, night: int, challenger: int, policy: GatePolicy) -> bool:
    """Return whether an upgrade holds its guardrails on this night."""
    first = max(0, night + 1 - policy.upgrade_days)
    judged = [lives.comparison(world, day, challenger) for day in range(first, night + 1)]
    return harmless(judged[-1], pooled(judged), policy)


def harmless(judge: Comparison, decisive: Comparison, policy: GatePolicy) -> bool:
    """Return whether all guardrails hold: levels on this night's rows, differences on those that decide."""
    return all_hold([*level_checks(judge, policy), *relative_checks(decisive, policy)])
