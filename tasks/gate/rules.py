"""The conditions of the three rules a challenger can be held against: first champion, refresh, upgrade.

Source: docs/methods/metrics.md#promotion-gate.
"""

from collections.abc import Mapping

from tasks.evaluate.catalogue import TESTED, metric
from tasks.evaluate.comparison import Comparison
from tasks.gate.config import GatePolicy
from tasks.gate.decision import Check
from tasks.gate.evidence import Pooled, ReignEvidence
from tasks.gate.guardrails import check, no_harm_of, not_inferior
from tasks.gate.statistics import lower_bound


def beats_baseline(name: str, comparison: Comparison | None, policy: GatePolicy) -> Check:
    """First champion: XAUC above a trivial baseline's, with its lower bound.

    Args:
        name: of the baseline.
        comparison: with it; None where it was not computed.
        policy: the bound.
    """
    check_name, title = f"beats_{name}", f"beats {name.replace('_', ' ')}"
    if comparison is None:
        return check(
            check_name,
            title,
            False,
            f"baseline {name} was not computed: enable it in baselines.enabled, or take it out of gate.trivial_baselines",
        )
    how, xauc = metric("xauc"), comparison.metrics["xauc"]
    lower = lower_bound(xauc.value, xauc.standard_error, policy.bound_z)
    reason = f"XAUC {how.difference(xauc.value)} over {name}, lower bound {how.difference(lower)} (must be above 0)"
    return check(check_name, title, lower > 0, reason, value=lower, limit=0, metric="xauc")


def refresh_checks(comparison: Comparison, policy: GatePolicy) -> list[Check]:
    """Refresh: the same configuration on newer data must not be worse.

    Few judge days are too noisy for non-inferiority on XGAUC: there the guardrail "no evidence of harm" has to do.
    """
    xauc, xgauc, z = comparison.metrics["xauc"], comparison.metrics["xgauc"], policy.bound_z
    if len(comparison.days) < policy.pooled_days:
        return [not_inferior("xauc", xauc.value, xauc.standard_error, policy.refresh_xauc_margin, z)]
    return [
        not_inferior("xauc", xauc.value, xauc.standard_error, policy.pooled_xauc_margin, z),
        not_inferior("xgauc", xgauc.value, xgauc.standard_error, policy.pooled_xgauc_margin, z),
    ]


def floor_checks(baselines: Mapping[str, Pooled], policy: GatePolicy) -> list[Check]:
    """Every rule: XAUC reaches every enabled baseline, the strongest thing a user would pick instead.

    Args:
        baselines: name -> difference to it over the last nights.
        policy: whether it must be reached, or beaten.
    """
    if policy.baseline_floor == "none":
        return []
    how, beaten = metric("xauc"), policy.baseline_floor == "superior"
    margin = 0.0 if beaten else policy.baseline_margin
    found = []
    for name, pooled in baselines.items():
        lower = lower_bound(pooled.mean, pooled.standard_error, policy.bound_z)
        must = "be above 0" if beaten else f"reach {how.limit(-margin)}"
        reason = (
            f"XAUC {how.difference(pooled.mean)} against the baseline {name} over {_nights(pooled.nights)}, lower bound "
            f"{how.difference(lower)} (must {must}; gate.baseline_floor)"
        )
        holds = lower > 0 if beaten else lower >= -margin
        title = f"{'above' if beaten else 'reaches'} {name.replace('_', ' ')}"
        found.append(check(f"reaches_{name}", title, holds, reason, value=lower, limit=-margin, metric="xauc"))
    return found


def aged_refresh_checks(since: Pooled, policy: GatePolicy) -> tuple[list[Check], bool]:
    """Refresh of a champion beyond its age: not worse over the nights since its promotion, else no evidence of harm.

    Args:
        since: difference of the configuration's refits to the champion.
        policy: margins.

    Returns:
        the conditions, and whether they are those of harm because the nights do not tell.
    """
    shown = not_inferior("xauc", since.mean, since.standard_error, policy.refresh_xauc_margin, policy.bound_z)
    said = f"{shown.reason}, over {_nights(since.nights)} since its promotion"
    if shown.status == "passed":
        return [shown.model_copy(update={"reason": said})], False
    needed = since.nights_for(policy.refresh_xauc_margin)
    harm = no_harm_of("xauc", since.mean, since.standard_error, policy.age_harm, policy.bound_z)
    said = f"{harm.reason}, over {_nights(since.nights)} since its promotion; about {needed} would show it not inferior"
    return [harm.model_copy(update={"name": "xauc_by_age", "reason": said})], True


def anchor_check(pooled: Pooled, by_age: bool, policy: GatePolicy) -> Check:
    """Refresh: small losses of many refreshes end inside one margin, for the reign's anchor stays the measure.

    Args:
        pooled: difference to it over the last nights, or since the champion's promotion.
        by_age: whether the nights do not tell; then the difference itself is held to the margin, not its bound.
        policy: the margin.
    """
    how, margin = metric("xauc"), policy.anchor_margin
    lower = lower_bound(pooled.mean, pooled.standard_error, policy.bound_z)
    value = pooled.mean if by_age else lower
    reason = (
        f"XAUC {how.difference(pooled.mean)} against the reign's anchor over {_nights(pooled.nights)}, lower "
        f"bound {how.difference(lower)} ({'the difference itself ' if by_age else ''}must reach {how.limit(-margin)})"
    )
    return check(
        "anchor", "no drift below the anchor", value >= -margin, reason, value=value, limit=-margin, metric="xauc"
    )


def seeds_check(seeds: tuple[int, int], policy: GatePolicy) -> Check:
    """Upgrade: enough seeds on both sides.

    Args:
        seeds: number of the challenger's and of the champion's.
        policy: what is needed.
    """
    need = policy.upgrade_seeds
    reason = f"an upgrade needs {need} seeds each, has {seeds[0]} (challenger) and {seeds[1]} (champion)"
    return check("seeds", "enough seeds", min(seeds) >= need, reason, value=min(seeds), limit=need)


def nights_check(evidence: ReignEvidence | None, policy: GatePolicy) -> Check:
    """Upgrade: enough nights of the reign on which it was judged.

    Args:
        evidence: None of nights that define no metric.
        policy: what is needed.
    """
    have = evidence.nights if evidence else 0
    need = evidence.first_decision if evidence else policy.upgrade_days
    lasting = ", because its differences last from night to night" if need > policy.upgrade_days else ""
    said = f"; {evidence.said}" if evidence and have < need else ""
    reason = f"an upgrade needs {need} judge days{lasting}, has {have}{said}"
    return check("days", "enough judge days", have >= need, reason, value=have, limit=need)


def upgrade_checks(evidence: ReignEvidence, policy: GatePolicy) -> list[Check]:
    """Upgrade: the reign's nights call it better, and neither metric may be worse than its margin.

    A metric that is better is not inferior anyhow, so both are held to their margins, by bounds that hold whenever one
    looks. A tie of evidence fails: the champion stays.
    """
    tested = ", ".join(
        f"{metric(found.name).label} {metric(found.name).difference(found.mean)} a night (E {found.e_value:.3g})"
        for found in evidence.metrics
    )
    reason = f"evidence {evidence.e_value:.3g} of {evidence.threshold:.3g}: {tested}; {evidence.said}"
    superiority = check(
        "superior",
        "evidence of superiority",
        evidence.superior,
        reason,
        value=evidence.e_value,
        limit=evidence.threshold,
    )
    return [superiority, *(_margin_check(name, evidence, policy) for name in TESTED)]


def _margin_check(name: str, evidence: ReignEvidence, policy: GatePolicy) -> Check:
    margin = {"xauc": policy.pooled_xauc_margin, "xgauc": policy.pooled_xgauc_margin}[name]
    how = metric(name)
    found = next((found for found in evidence.metrics if found.name == name), None)
    title, limits = f"{how.label} not inferior", {"limit": -margin, "metric": name}
    if found is None:
        return check(f"{name}_margin", title, False, f"{how.label}: defined on no night of the reign", **limits)
    reason = (
        f"{how.label} {how.difference(found.mean)} a night over {_nights(found.nights)}, lower bound "
        f"{how.difference(found.lower)} (must reach {how.limit(-margin)})"
    )
    return check(f"{name}_margin", title, found.lower >= -margin, reason, value=found.lower, **limits)


def _nights(count: int) -> str:
    return "this night" if count == 1 else f"{count} nights"
