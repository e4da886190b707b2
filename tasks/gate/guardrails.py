"""What no promotion may break, whatever it gains elsewhere. Each guardrail is one check.

Source: docs/methods/metrics.md#guardrails.
"""

import math
from collections.abc import Mapping
from typing import Any

from tasks.evaluate.catalogue import (
    EXPOSED_GUARDRAILS,
    EXPOSURES,
    HARM_GUARDRAILS,
    LEVEL_GUARDRAILS,
    LevelGuardrail,
    is_sparse,
    metric,
)
from tasks.evaluate.comparison import Comparison, PairedMetric
from tasks.gate.config import GatePolicy, HarmLimit
from tasks.gate.decision import Check
from tasks.gate.statistics import lower_bound, upper_bound


def check(name: str, label: str, holds: bool, reason: str, **numbers: Any) -> Check:
    """Return a condition that applies.

    Args:
        name: what was checked.
        label: the same in words.
        holds: whether it holds.
        reason: the check in words.
        numbers: `value`, `limit` and `metric` of the check.
    """
    return Check(name=name, label=label, status="passed" if holds else "failed", reason=reason, **numbers)


def not_applicable(name: str, label: str, reason: str, **numbers: Any) -> Check:
    """Return a condition that these rows do not define."""
    return Check(name=name, label=label, status="not_applicable", reason=reason, **numbers)


def evidence_checks(comparison: Comparison, expectations_passed: bool, policy: GatePolicy) -> list[Check]:
    """Check that there is enough sound data to decide on at all."""
    said = "all data expectations passed" if expectations_passed else "data expectations failed on this night's data"
    enough = [("rows", comparison.rows, policy.minimum_rows), ("users", comparison.users, policy.minimum_users)]
    return [
        check("expectations", "data expectations", expectations_passed, said),
        *(
            check(name, f"enough {name}", have >= need, f"{name}: needs {need}, has {have}", value=have, limit=need)
            for name, have, need in enough
        ),
    ]


def finite_check(bad_columns: dict[str, int]) -> Check:
    """Check that no prediction is null, NaN or infinite.

    Args:
        bad_columns: prediction column -> rows that are not finite.
    """
    listed = ", ".join(f"{name} in {count} rows" for name, count in bad_columns.items())
    reason = f"predictions are not finite: {listed}" if bad_columns else "all predictions are finite"
    return check("finite", "finite predictions", not bad_columns, reason, value=sum(bad_columns.values()), limit=0)


def task_check(candidate: frozenset[str], champion: frozenset[str]) -> Check:
    """Check that the challenger predicts whatever the champion predicts: a task left out has no harm to show."""
    lost = sorted(champion - candidate)
    reason = f"it no longer predicts {', '.join(lost)}" if lost else "it predicts every task of the champion"
    return check("tasks", "predicts every task", not lost, reason, value=len(lost), limit=0)


def level_checks(comparison: Comparison, policy: GatePolicy, against_champion: bool = True) -> list[Check]:
    """Check the guardrails on the challenger alone: total and per-duration calibration of watch_mean.

    Args:
        comparison: challenger against its reference.
        policy: the limits.
        against_champion: whether the reference is a champion, whose own error then loosens limits with a slack.
    """
    return [_level(guardrail, comparison, policy, against_champion) for guardrail in LEVEL_GUARDRAILS]


def relative_checks(comparison: Comparison, policy: GatePolicy) -> list[Check]:
    """Check the guardrails that hold the challenger against the champion."""
    metrics = comparison.metrics
    harm = [(name, getattr(policy, limit)) for limit, names in HARM_GUARDRAILS.items() for name in names]
    return [
        _at_most("rmse_ratio", metrics.get("rmse_ratio"), policy.rmse_ratio - 1, policy.bound_z),
        _at_most("mae", metrics.get("mae"), policy.mae_seconds, policy.bound_z),
        *(no_harm(name, metrics.get(name), limit, policy.bound_z) for name, limit in harm),
        *(_sparse(name, metrics[name], policy) for name in sorted(metrics) if is_sparse(name)),
        *(exposure_check(name, metrics, policy) for name in EXPOSED_GUARDRAILS),
    ]


def exposure_check(name: str, metrics: Mapping[str, PairedMetric], policy: GatePolicy) -> Check:
    """Check that nothing shows harm under uniform exposure, where the judge rows tell.

    Randomly exposed rows decide; reweighted ones do where those are too few, and are recorded otherwise, because weights
    do not remove what correlated noise of exposure and preference does.

    Args:
        name: the metric.
        metrics: of a comparison; it holds estimates under uniform exposure only if they are trusted.
        policy: the limits.
    """
    for exposure in EXPOSURES:
        found = metrics.get(f"{exposure}_{name}")
        if found is not None and math.isfinite(found.value):
            return no_harm(found.name, found, policy.exposure_harm, policy.bound_z)
    exposed = metric(f"{EXPOSURES[0]}_{name}")
    reason = f"{exposed.label}: no trusted estimate under uniform exposure"
    return not_applicable(exposed.name, f"no harm to {exposed.label}", reason, metric=exposed.name)


def no_harm(name: str, paired: PairedMetric | None, limit: HarmLimit, z: float) -> Check:
    """Check that there is no evidence of harm: upper bound >= -tolerance, and the difference itself above the floor.

    A metric that a side does not predict, or that these rows do not define (no new user ...), is not applicable.
    """
    how = metric(name)
    if paired is None or math.isnan(paired.value):
        reason = f"{how.label}: not defined on these rows"
        return not_applicable(name, f"no harm to {how.label}", reason, metric=name)
    return no_harm_of(name, paired.value, paired.standard_error, limit, z)


def no_harm_of(name: str, delta: float, standard_error: float, limit: HarmLimit, z: float) -> Check:
    """Check a difference that is defined for evidence of harm."""
    how = metric(name)
    upper = upper_bound(delta, standard_error, z)
    holds = upper >= -limit.tolerance and delta > limit.floor
    reason = (
        f"{how.label} {how.difference(delta)}, upper bound {how.difference(upper)} "
        f"(must reach {how.limit(-limit.tolerance)}, itself above {how.limit(limit.floor)})"
    )
    title = f"no harm to {how.label}"
    return check(name, title, holds, reason, value=upper, limit=-limit.tolerance, metric=name)


def not_inferior(name: str, delta: float, standard_error: float, margin: float, z: float) -> Check:
    """Check non-inferiority: the lower bound of the difference reaches minus the margin."""
    how = metric(name)
    lower = lower_bound(delta, standard_error, z)
    reason = (
        f"{how.label} {how.difference(delta)}, lower bound {how.difference(lower)} (must reach {how.limit(-margin)})"
    )
    title = f"{how.label} not inferior"
    return check(f"{name}_margin", title, lower >= -margin, reason, value=lower, limit=-margin, metric=name)


def warnings(comparison: Comparison, policy: GatePolicy, same_recipe: bool) -> list[str]:
    """Return remarks that are recorded and decide nothing.

    Args:
        comparison: of the challenger with the champion, or with itself where there is none.
        policy: limits.
        same_recipe: whether both sides are one recipe; scores of different ones need not be on one scale.
    """
    found = []
    if same_recipe and comparison.score_psi > policy.warn_score_psi:
        found.append(f"the score's distribution shifted: PSI {comparison.score_psi:.2f} (> {policy.warn_score_psi:g})")
    for scene, error in sorted(comparison.scene_errors.items()):
        if error > policy.warn_scene_dce:
            found.append(f"scene {scene}: mean seconds are off by {error:.2f} (> {policy.warn_scene_dce:g})")
    if comparison.tied_share > policy.warn_tied_share:
        found.append(f"{comparison.tied_share:.1%} of score pairs are tied (> {policy.warn_tied_share:.1%})")
    return found


def _level(guardrail: LevelGuardrail, comparison: Comparison, policy: GatePolicy, against_champion: bool) -> Check:
    how, value = metric(guardrail.metric), comparison.candidate_levels[guardrail.metric]
    limit: float = getattr(policy, guardrail.limit)
    champion = abs(comparison.reference_levels[guardrail.metric])
    if against_champion and guardrail.slack and math.isfinite(champion):
        limit = max(limit, champion + getattr(policy, guardrail.slack))
    reason = f"{how.label} {how.difference(value)} (at most {how.limit(limit, '±' if how.signed else '')})"
    holds = abs(value) <= limit
    return check(
        guardrail.limit, f"{how.label} within its limit", holds, reason, value=value, limit=limit, metric=how.name
    )


def _at_most(name: str, paired: PairedMetric | None, limit: float, z: float) -> Check:
    how = metric(name)
    title = f"{how.label} not worse"
    if paired is None:
        return check(name, title, False, f"{how.label}: was not computed", limit=limit, metric=name)
    upper = upper_bound(paired.value, paired.standard_error, z)
    reason = (
        f"{how.label} {how.difference(paired.value)}, upper bound {how.difference(upper)} (allowed {how.limit(limit)})"
    )
    return check(name, title, upper <= limit, reason, value=upper, limit=limit, metric=name)


def _sparse(name: str, paired: PairedMetric, policy: GatePolicy) -> Check:
    positives, need, how = paired.positives or 0, policy.sparse_positives, metric(name)
    if positives < need:
        reason = f"{how.label}: {positives} positives, checked from {need}"
        return not_applicable(name, f"no harm to {how.label}", reason, value=positives, limit=need, metric=name)
    return no_harm(name, paired, policy.sparse_harm, policy.bound_z)
