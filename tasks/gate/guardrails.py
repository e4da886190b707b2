"""What no promotion may break, whatever it gains elsewhere. Each guardrail is one check.

Source: docs/methods/metrics.md#guardrails.
"""

import math
from collections.abc import Mapping

from tasks.evaluate.catalogue import EXPOSED_GUARDRAILS, EXPOSURES, HARM_GUARDRAILS, is_sparse, label
from tasks.evaluate.comparison import Comparison, PairedMetric
from tasks.gate.config import GatePolicy, HarmLimit
from tasks.gate.decision import Check, Status
from tasks.gate.statistics import lower_bound, upper_bound


def status(holds: bool) -> Status:
    """Name the outcome of a condition."""
    return "passed" if holds else "failed"


def number(value: float | None) -> str:
    """Show a number in a reason."""
    return "undefined" if value is None or not math.isfinite(value) else f"{value:+.4f}"


def evidence_checks(comparison: Comparison, expectations_passed: bool, policy: GatePolicy) -> list[Check]:
    """Check that there is enough sound data to decide on at all."""
    said = "all data expectations passed" if expectations_passed else "data expectations failed on this night's data"
    enough = [("rows", comparison.rows, policy.minimum_rows), ("users", comparison.users, policy.minimum_users)]
    return [
        Check(name="expectations", status=status(expectations_passed), reason=said),
        *(
            Check(
                name=name,
                status=status(have >= need),
                value=have,
                limit=need,
                reason=f"{name}: needs {need}, has {have}",
            )
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
    return Check(name="finite", status=status(not bad_columns), value=sum(bad_columns.values()), limit=0, reason=reason)


def task_check(candidate: frozenset[str], champion: frozenset[str]) -> Check:
    """Check that the challenger predicts whatever the champion predicts: a task left out has no harm to show."""
    lost = sorted(champion - candidate)
    reason = f"it no longer predicts {', '.join(lost)}" if lost else "it predicts every task of the champion"
    return Check(name="tasks", status=status(not lost), value=len(lost), limit=0, reason=reason)


def calibration_checks(comparison: Comparison, policy: GatePolicy, against_champion: bool = True) -> list[Check]:
    """Check the guardrails on the challenger's own level: total and per-duration calibration of watch_mean.

    Args:
        comparison: challenger against its reference.
        policy: the limits.
        against_champion: whether the reference is a champion, whose own error then loosens the DCE limit.
    """
    tre, dce = comparison.candidate.tre_signed, comparison.candidate.dce_max
    limit = policy.dce_max
    if against_champion and math.isfinite(comparison.reference.dce_max):
        limit = max(limit, comparison.reference.dce_max + policy.dce_slack)
    return [
        Check(
            name="tre",
            metric="tre_signed",
            status=status(abs(tre) <= policy.tre),
            value=tre,
            limit=policy.tre,
            reason=f"predicted mean seconds are off in total by {number(tre)} (allowed ±{policy.tre:g})",
        ),
        Check(
            name="dce_max",
            metric="dce_max",
            status=status(dce <= limit),
            value=dce,
            limit=limit,
            reason=f"the worst duration decile is off by {number(dce)} (allowed {limit:g})",
        ),
    ]


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
        if found is not None and math.isfinite(found.delta):
            return no_harm(found.name, found, policy.exposure_harm, policy.bound_z)
    name = f"{EXPOSURES[0]}_{name}"
    return Check(
        name=name,
        status="not_applicable",
        metric=name,
        reason=f"{label(name)}: no trusted estimate under uniform exposure",
    )


def no_harm(name: str, metric: PairedMetric | None, limit: HarmLimit, z: float) -> Check:
    """Check that there is no evidence of harm: upper bound >= -tolerance, and the difference itself above the floor.

    A metric that a side does not predict, or that these rows do not define (no new user ...), is not applicable.
    """
    if metric is None or math.isnan(metric.delta):
        return Check(
            name=name, status="not_applicable", metric=name, reason=f"{label(name)}: not defined on these rows"
        )
    upper = upper_bound(metric.delta, metric.standard_error, z)
    holds = upper >= -limit.tolerance and metric.delta > limit.floor
    reason = (
        f"{label(name)} {number(metric.delta)}, upper bound {number(upper)} "
        f"(must reach {-limit.tolerance:+g}, itself above {limit.floor:+g})"
    )
    return Check(name=name, status=status(holds), value=upper, limit=-limit.tolerance, metric=name, reason=reason)


def not_inferior(name: str, delta: float, standard_error: float, margin: float, z: float) -> Check:
    """Check non-inferiority: the lower bound of the difference reaches minus the margin."""
    lower = lower_bound(delta, standard_error, z)
    reason = f"{label(name)} {number(delta)}, lower bound {number(lower)} (must reach {-margin:+g})"
    return Check(
        name=f"{name}_margin", status=status(lower >= -margin), value=lower, limit=-margin, metric=name, reason=reason
    )


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
    for scene, error in sorted(comparison.candidate.dce_rel_by_scene.items()):
        if error > policy.warn_scene_dce:
            found.append(f"scene {scene}: mean seconds are off by {error:.2f} (> {policy.warn_scene_dce:g})")
    if comparison.candidate.tied_share > policy.warn_tied_share:
        found.append(f"{comparison.candidate.tied_share:.1%} of score pairs are tied (> {policy.warn_tied_share:.1%})")
    return found


def _at_most(name: str, metric: PairedMetric | None, limit: float, z: float) -> Check:
    if metric is None:
        return Check(name=name, status="failed", limit=limit, metric=name, reason=f"{label(name)}: was not computed")
    upper = upper_bound(metric.delta, metric.standard_error, z)
    reason = f"{label(name)} {number(metric.delta)}, upper bound {number(upper)} (allowed {limit:+g})"
    return Check(name=name, status=status(upper <= limit), value=upper, limit=limit, metric=name, reason=reason)


def _sparse(name: str, metric: PairedMetric, policy: GatePolicy) -> Check:
    positives = metric.positives or 0
    if positives < policy.sparse_positives:
        reason = f"{label(name)}: {positives} positives, checked from {policy.sparse_positives}"
        return Check(
            name=name,
            status="not_applicable",
            value=positives,
            limit=policy.sparse_positives,
            metric=name,
            reason=reason,
        )
    return no_harm(name, metric, policy.sparse_harm, policy.bound_z)
