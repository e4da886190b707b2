"""Decide, from prediction tables alone, whether a challenger replaces the champion."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from tasks.evaluate.compare import compare as compare_tables
from tasks.evaluate.comparison import Comparison
from tasks.evaluate.config import EvaluationConfig
from tasks.gate.compared import Compared
from tasks.gate.config import GatePolicy
from tasks.gate.decision import ChallengerVerdict, Check, Decision, Retired, all_hold, write_decision
from tasks.gate.guardrails import (
    evidence_checks,
    finite_check,
    level_checks,
    relative_checks,
    task_check,
    warnings,
)
from tasks.gate.inputs import Contender, GateInputs
from tasks.gate.rules import beats_baseline, refresh_checks, sufficiency_checks, upgrade_checks
from tasks.gate.tables import non_finite, pool, predicted


class Compare(Protocol):
    """The paired comparison of `tasks.evaluate.compare`."""

    def __call__(
        self,
        candidate: Sequence[Path],
        reference: Sequence[Path],
        config: EvaluationConfig,
        duration_edges_s: Sequence[float] | None = None,
    ) -> Comparison: ...


class _Paired(Protocol):
    def __call__(self, candidate: Sequence[Path], reference: Sequence[Path]) -> Comparison: ...


@dataclass(frozen=True)
class GateResult:
    """What the stage made."""

    decision: Path
    verdict: str
    winner: str | None
    reason: str


def gate(inputs: GateInputs, policy: GatePolicy, evaluation: EvaluationConfig, out: Path) -> GateResult:
    """Stage entry: decide and write `decision.json` below `out`."""
    decision = decide(inputs, policy, evaluation)
    path = write_decision(out, decision)
    return GateResult(path, decision.verdict, decision.winner, decision.reason)


def decide(
    inputs: GateInputs, policy: GatePolicy, evaluation: EvaluationConfig, compare: Compare = compare_tables
) -> Decision:
    """Hold every challenger against the champion, or against the trivial baselines where there is no champion.

    Args:
        inputs: prediction tables of this night and, for upgrades, of earlier nights.
        policy: margins.
        evaluation: how comparisons are computed.
        compare: the paired comparison.

    Returns:
        the decision; a pure function of the tables' contents, the policy and the evaluation settings.

    Raises:
        ContractError: if a prediction table is missing or lacks columns.
        PredictionError: if tables do not hold the same rows, or the champion's predictions are not finite.
    """
    paired = partial(compare, config=evaluation, duration_edges_s=inputs.duration_edges_s)
    verdicts = tuple(_judge(challenger, inputs, policy, paired) for challenger in inputs.tonight.challengers)
    winner = _winner(verdicts)
    champion = inputs.tonight.champion
    outcome = ("promote", winner.rule) if winner else ("keep", "keep") if champion else ("refuse", None)
    return Decision(
        as_of=inputs.tonight.as_of,
        verdict=outcome[0],
        kind=outcome[1],
        winner=winner.name if winner else None,
        winner_recipe_hash=winner.recipe_hash if winner else None,
        champion=champion.entry if champion else None,
        champion_recipe_hash=champion.recipe_hash if champion else None,
        evidence=tuple(day.evidence for day in inputs.evidence if day.evidence is not None),
        expectations_passed=inputs.tonight.expectations_passed,
        reason=_reason(winner, verdicts, champion, inputs.retired),
        challengers=verdicts,
        policy=policy,
        retired=inputs.retired,
    )


def _judge(challenger: Contender, inputs: GateInputs, policy: GatePolicy, paired: _Paired) -> ChallengerVerdict:
    champion = inputs.tonight.champion
    same = champion is not None and champion.recipe_hash == challenger.recipe_hash
    name = "first" if champion is None else "refresh" if same else "upgrade"
    finite = finite_check(non_finite(challenger.predictions))
    if finite.status == "failed":
        return _verdict(challenger, name, [finite], [], [])
    return _RULES[name](challenger, inputs, policy, paired, finite)


def _first(
    challenger: Contender, inputs: GateInputs, policy: GatePolicy, paired: _Paired, finite: Check
) -> ChallengerVerdict:
    """No champion: the absolute guardrails hold, and every trivial baseline is beaten."""
    found = {name: inputs.baselines[name] for name in policy.trivial_baselines if name in inputs.baselines}
    comparisons = {name: paired([challenger.predictions], [path]) for name, path in found.items()}
    own = next(iter(comparisons.values()), None) or paired([challenger.predictions], [challenger.predictions])
    checks = [
        *evidence_checks(own, inputs.tonight.expectations_passed, policy),
        finite,
        *level_checks(own, policy, against_champion=False),
        *(beats_baseline(name, comparisons.get(name), policy) for name in policy.trivial_baselines),
    ]
    compared = [Compared.of(comparison, name, "judge", policy.bound_z) for name, comparison in comparisons.items()]
    return _verdict(challenger, "first", checks, compared, warnings(own, policy, same_recipe=False))


def _refresh(
    challenger: Contender, inputs: GateInputs, policy: GatePolicy, paired: _Paired, finite: Check
) -> ChallengerVerdict:
    """The champion's configuration on newer data: non-inferior on this night's judge rows."""
    champion = _champion(inputs)
    comparison = paired([challenger.predictions], [champion.predictions])
    checks = [
        *evidence_checks(comparison, inputs.tonight.expectations_passed, policy),
        finite,
        _tasks(challenger, champion),
        *refresh_checks(comparison, policy),
        *level_checks(comparison, policy),
        *relative_checks(comparison, policy),
    ]
    compared = [Compared.of(comparison, "champion", "judge", policy.bound_z)]
    return _verdict(challenger, "refresh", checks, compared, warnings(comparison, policy, same_recipe=True))


def _upgrade(
    challenger: Contender, inputs: GateInputs, policy: GatePolicy, paired: _Paired, finite: Check
) -> ChallengerVerdict:
    """Another configuration: superior over pooled judge days.

    This night's rows alone show whether the very model that would serve is calibrated, and how the day went.
    """
    champion = _champion(inputs)
    pooled = pool(inputs, challenger, champion, policy.upgrade_days)
    seeds = (len(predicted(challenger.predictions).seeds), len(predicted(champion.predictions).seeds))
    sufficient = sufficiency_checks(pooled.nights, seeds, policy)
    judge = paired([challenger.predictions], [champion.predictions])
    compared = [Compared.of(judge, "champion", "judge", policy.bound_z)]
    common = [finite, _tasks(challenger, champion), *sufficient, *level_checks(judge, policy)]
    decisive = judge
    if all_hold(sufficient):
        decisive = paired(pooled.candidate, pooled.champion)
        compared.append(Compared.of(decisive, "champion", "pooled", policy.bound_z))
        common += upgrade_checks(decisive, policy)
    checks = [
        *evidence_checks(decisive, inputs.tonight.expectations_passed, policy),
        *common,
        *relative_checks(decisive, policy),
    ]
    return _verdict(challenger, "upgrade", checks, compared, warnings(judge, policy, same_recipe=False))


_RULES = {"first": _first, "refresh": _refresh, "upgrade": _upgrade}


def _verdict(
    challenger: Contender, rule: str, checks: Sequence[Check], compared: Sequence[Compared], remarks: Sequence[str]
) -> ChallengerVerdict:
    failed = [check.reason for check in checks if check.status == "failed"]
    held = sum(check.status == "passed" for check in checks)
    return ChallengerVerdict.model_validate(
        {
            "name": challenger.name,
            "recipe_hash": challenger.recipe_hash,
            "rule": rule,
            "passed": not failed,
            "reason": "; ".join(failed) if failed else f"all {held} conditions hold",
            "validation_xauc": challenger.validation_xauc,
            "checks": tuple(checks),
            "compared": tuple(compared),
            "warnings": (*challenger.warnings, *remarks),
        }
    )


def _winner(verdicts: Sequence[ChallengerVerdict]) -> ChallengerVerdict | None:
    """Return the challenger to promote: upgrades first, then the best on the *validation* day, then the order given."""
    passed = [verdict for verdict in verdicts if verdict.passed]

    def preference(verdict: ChallengerVerdict) -> tuple[bool, float]:
        return verdict.rule == "upgrade", -math.inf if verdict.validation_xauc is None else verdict.validation_xauc

    return max(passed, key=preference, default=None)


def _reason(
    winner: ChallengerVerdict | None,
    verdicts: Sequence[ChallengerVerdict],
    champion: Contender | None,
    retired: Retired | None,
) -> str:
    name = winner.name if winner else ""
    none = f"the champion {retired.entry} is retired: {retired.reason}" if retired else "there is no champion yet"
    said = {
        "first": f"{none}, and {name} beats every trivial baseline",
        "refresh": f"{name}, the champion's recipe on newer data, is not worse",
        "upgrade": f"{name} is better than the champion, a different recipe, over the pooled judge days",
    }
    refused = "; ".join(
        f"{verdict.name} ({verdict.rule}): {verdict.reason}" for verdict in verdicts if not verdict.passed
    )
    if winner is not None:
        others = [verdict.name for verdict in verdicts if verdict.passed and verdict is not winner]
        preferred = f"; {', '.join(others)} passed too" if others else ""
        also = f"; refused: {refused}" if refused else ""
        return f"{said[winner.rule]}: {winner.reason}{preferred}{also}"
    if champion is not None:
        return f"the champion {champion.name} stays. {refused}"
    return f"{none}, and no challenger was good enough to become the first. {refused}"


def _champion(inputs: GateInputs) -> Contender:
    assert inputs.tonight.champion is not None
    return inputs.tonight.champion


def _tasks(challenger: Contender, champion: Contender) -> Check:
    return task_check(predicted(challenger.predictions).tasks, predicted(champion.predictions).tasks)
