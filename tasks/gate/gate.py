"""Decide, from prediction tables alone, whether a challenger replaces the champion."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from tasks.evaluate.compare import compare as compare_tables
from tasks.evaluate.comparison import Comparison
from tasks.evaluate.config import EvaluationConfig
from tasks.gate.compared import Compared
from tasks.gate.config import GatePolicy
from tasks.gate.decision import ChallengerVerdict, Check, Decision, Rule, all_hold, write_decision
from tasks.gate.evidence import Pooled, ReignEvidence, weigh
from tasks.gate.guardrails import evidence_checks, level_checks, relative_checks, task_check, warnings
from tasks.gate.inputs import Contender, GateInputs
from tasks.gate.rules import (
    aged_refresh_checks,
    anchor_check,
    beats_baseline,
    floor_checks,
    nights_check,
    refresh_checks,
    seeds_check,
    upgrade_checks,
)
from tasks.gate.tables import pool, predicted
from tasks.gate.tonight import Paired, Tonight, compare_tonight


class Compare(Protocol):
    """The paired comparison of `tasks.evaluate.compare`."""

    def __call__(
        self,
        candidate: Sequence[Path],
        reference: Sequence[Path],
        config: EvaluationConfig,
        duration_edges_s: Sequence[float] | None = None,
    ) -> Comparison: ...


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
    """Hold every challenger against the champion, and against the baselines.

    Args:
        inputs: prediction tables of this night and of the last ones, and what a reign's nights said.
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
    champion = inputs.tonight.champion
    tonight = [compare_tonight(challenger, inputs, paired) for challenger in inputs.tonight.challengers]
    evidence: Mapping[str, ReignEvidence] = {}
    if champion is not None and inputs.tonight.expectations_passed:
        increments = [increment for one in tonight for increment in one.increments]
        evidence = weigh(inputs.reign, increments, champion.recipe_hash, policy)
    verdicts = tuple(_judge(one, evidence.get(one.challenger.recipe_hash), inputs, policy, paired) for one in tonight)
    winner = _winner(verdicts)
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
        reason=_reason(winner, verdicts, inputs, policy),
        reign_since=inputs.reign.since,
        anchor=inputs.reign.anchor,
        champion_age=inputs.champion_age,
        challengers=verdicts,
        policy=policy,
        retired=inputs.retired,
    )


def _judge(
    tonight: Tonight, evidence: ReignEvidence | None, inputs: GateInputs, policy: GatePolicy, paired: Paired
) -> ChallengerVerdict:
    champion = inputs.tonight.champion
    same = champion is not None and champion.recipe_hash == tonight.challenger.recipe_hash
    rule: Rule = "first" if champion is None else "refresh" if same else "upgrade"
    if tonight.finite.status == "failed":
        found = _Found(rule, [tonight.finite])
    elif champion is None:
        found = _first(tonight, inputs, policy, paired)
    elif same:
        found = _refresh(tonight, champion, inputs, policy, paired)
    else:
        found = _upgrade(tonight, evidence, champion, inputs, policy, paired)
    return _verdict(tonight, evidence, found, inputs)


@dataclass(frozen=True)
class _Found:
    """What a rule found."""

    rule: Rule
    checks: Sequence[Check]
    compared: Sequence[Compared] = ()
    remarks: Sequence[str] = ()


def _first(tonight: Tonight, inputs: GateInputs, policy: GatePolicy, paired: Paired) -> _Found:
    """No champion: the absolute guardrails hold, trivial baselines are beaten, and every enabled one is reached."""
    own = next(iter(tonight.baselines.values()), None) or paired(*[[tonight.challenger.predictions]] * 2)
    checks = [
        *evidence_checks(own, inputs.tonight.expectations_passed, policy),
        tonight.finite,
        *level_checks(own, policy, against_champion=False),
        *(beats_baseline(name, tonight.baselines.get(name), policy) for name in policy.trivial_baselines),
        *_floor(tonight, inputs, policy),
    ]
    return _Found("first", checks, _against_baselines(tonight, policy), warnings(own, policy, same_recipe=False))


def _refresh(tonight: Tonight, champion: Contender, inputs: GateInputs, policy: GatePolicy, paired: Paired) -> _Found:
    """The champion's configuration on newer data: not worse than it, nor than what began its reign.

    A champion beyond its age is held to all nights since its promotion, for a small log tells little in one.
    """
    assert tonight.champion is not None
    judge, margins = tonight.champion, refresh_checks(tonight.champion, policy)
    decisive, compared = judge, [Compared.of(judge, "champion", "judge", policy.bound_z)]
    since = _pooled(tonight, inputs, champion.entry)
    by_age, remarks = False, list(warnings(judge, policy, same_recipe=True))
    if not all_hold(margins):
        needed = since.nights_for(policy.refresh_xauc_margin)
        if needed > 1:
            remarks.append(
                f"one night of this log does not show what is not inferior: about {needed} nights would; a champion older "
                f"than gate.max_age ({policy.max_age} days) is judged on all nights since its promotion"
            )
        if (inputs.champion_age or 0) > policy.max_age:
            margins, by_age = aged_refresh_checks(since, policy)
            decisive = _pool(tonight, champion, inputs, policy, paired, compared) or judge
    nights = None if by_age else policy.upgrade_days
    anchored = _pooled(tonight, inputs, inputs.reign.anchor or champion.entry, nights)
    checks = [
        *evidence_checks(decisive, inputs.tonight.expectations_passed, policy),
        tonight.finite,
        _tasks(tonight.challenger, champion),
        *margins,
        anchor_check(anchored, by_age, policy),
        *_floor(tonight, inputs, policy),
        *level_checks(judge, policy),
        *relative_checks(decisive, policy),
    ]
    return _Found(
        "refresh_by_age" if by_age else "refresh", checks, [*compared, *_against_baselines(tonight, policy)], remarks
    )


def _upgrade(
    tonight: Tonight,
    evidence: ReignEvidence | None,
    champion: Contender,
    inputs: GateInputs,
    policy: GatePolicy,
    paired: Paired,
) -> _Found:
    """Another configuration: better by the evidence of the reign's nights.

    This night's rows alone show whether the very model that would serve is calibrated, and how the day went.
    """
    assert tonight.champion is not None
    judge = decisive = tonight.champion
    compared = [Compared.of(judge, "champion", "judge", policy.bound_z)]
    seeds = (len(predicted(tonight.challenger.predictions).seeds), len(predicted(champion.predictions).seeds))
    sufficient = [nights_check(evidence, policy), seeds_check(seeds, policy)]
    common = [tonight.finite, _tasks(tonight.challenger, champion), *sufficient, *level_checks(judge, policy)]
    if evidence is not None and all_hold(sufficient):
        decisive = _pool(tonight, champion, inputs, policy, paired, compared) or judge
        common += upgrade_checks(evidence, policy)
    checks = [
        *evidence_checks(decisive, inputs.tonight.expectations_passed, policy),
        *common,
        *_floor(tonight, inputs, policy),
        *relative_checks(decisive, policy),
    ]
    compared += _against_baselines(tonight, policy)
    return _Found("upgrade", checks, compared, warnings(judge, policy, same_recipe=False))


def _pool(
    tonight: Tonight,
    champion: Contender,
    inputs: GateInputs,
    policy: GatePolicy,
    paired: Paired,
    compared: list[Compared],
) -> Comparison | None:
    """Compare with the champion's recipe on the last nights' rows together, and say so; None where there is one night."""
    tables = pool(inputs, tonight.challenger, champion, policy.upgrade_days)
    if tables.nights == 1:
        return None
    found = paired(tables.candidate, tables.champion)
    compared.append(Compared.of(found, "champion", "pooled", policy.bound_z))
    return found


def _pooled(tonight: Tonight, inputs: GateInputs, reference: str | None, nights: int | None = None) -> Pooled:
    """Pool the single nights of a configuration against an entry or a baseline, this night last.

    Args:
        tonight: the challenger.
        inputs: the reign.
        reference: entry or baseline.
        nights: how many at most; None: all.
    """
    recipe_hash, increments = tonight.challenger.recipe_hash, tonight.increments
    steps = list(inputs.reign.by_night(recipe_hash, reference=reference or "", tonight=increments).values())
    return Pooled.of(steps[-nights:] if nights else steps)


def _floor(tonight: Tonight, inputs: GateInputs, policy: GatePolicy) -> list[Check]:
    pooled = {name: _pooled(tonight, inputs, name, policy.upgrade_days) for name in tonight.baselines}
    return floor_checks(pooled, policy)


def _against_baselines(tonight: Tonight, policy: GatePolicy) -> list[Compared]:
    return [Compared.of(comparison, name, "judge", policy.bound_z) for name, comparison in tonight.baselines.items()]


def _verdict(tonight: Tonight, evidence: ReignEvidence | None, found: _Found, inputs: GateInputs) -> ChallengerVerdict:
    challenger = tonight.challenger
    failed = [check.reason for check in found.checks if check.status == "failed"]
    held = sum(check.status == "passed" for check in found.checks)
    return ChallengerVerdict(
        name=challenger.name,
        recipe_hash=challenger.recipe_hash,
        rule=found.rule,
        passed=not failed,
        reason="; ".join(failed) if failed else f"all {held} conditions hold",
        validation_xauc=challenger.validation_xauc,
        checks=tuple(found.checks),
        compared=tuple(found.compared),
        evidence=evidence,
        increments=tonight.increments if inputs.tonight.expectations_passed else (),
        warnings=(*challenger.warnings, *found.remarks),
    )


def _winner(verdicts: Sequence[ChallengerVerdict]) -> ChallengerVerdict | None:
    """Return the challenger to promote: upgrades first, then the best on the *validation* day, then the order given."""
    passed = [verdict for verdict in verdicts if verdict.passed]

    def preference(verdict: ChallengerVerdict) -> tuple[bool, float]:
        return verdict.rule == "upgrade", -math.inf if verdict.validation_xauc is None else verdict.validation_xauc

    return max(passed, key=preference, default=None)


def _reason(
    winner: ChallengerVerdict | None, verdicts: Sequence[ChallengerVerdict], inputs: GateInputs, policy: GatePolicy
) -> str:
    champion, age, retired = inputs.tonight.champion, inputs.champion_age or 0, inputs.retired
    none = f"the champion {retired.entry} is retired: {retired.reason}" if retired else "there is no champion yet"
    said = {
        "first": "{none}, and {name} beats every trivial baseline and reaches the others",
        "refresh": "{name}, the champion's recipe on newer data, is not worse",
        "refresh_by_age": "{name}, the champion's recipe on newer data, replaces one that is {age} days old and shows no harm",
        "upgrade": "{name} is better than the champion, a different recipe, by the evidence of the reign's nights",
    }
    refused = "; ".join(
        f"{verdict.name} ({verdict.rule}): {verdict.reason}" for verdict in verdicts if not verdict.passed
    )
    if winner is not None:
        others = [verdict.name for verdict in verdicts if verdict.passed and verdict is not winner]
        preferred = f"; {', '.join(others)} passed too" if others else ""
        also = f"; refused: {refused}" if refused else ""
        because = said[winner.rule].format(name=winner.name, age=age, none=none)
        return f"{because}: {winner.reason}{preferred}{also}"
    if champion is not None:
        old = f", {age} days old (gate.max_age is {policy.max_age})" if age > policy.max_age else ""
        return f"the champion {champion.name} stays{old}. {refused}"
    return f"{none}, and no challenger was good enough to become the first. {refused}"


def _tasks(challenger: Contender, champion: Contender) -> Check:
    return task_check(predicted(challenger.predictions).tasks, predicted(champion.predictions).tasks)
