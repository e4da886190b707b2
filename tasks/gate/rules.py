"""The three rules a challenger can be held against: first champion, refresh, upgrade.

Source: docs/methods/metrics.md#promotion-gate.
"""

from tasks.evaluate.catalogue import TESTED, label
from tasks.evaluate.comparison import Comparison
from tasks.gate.config import GatePolicy
from tasks.gate.decision import Check
from tasks.gate.guardrails import not_inferior, number, status
from tasks.gate.statistics import holm, lower_bound, superiority_p_value, with_seed_variance


def beats_baseline(name: str, comparison: Comparison, policy: GatePolicy) -> Check:
    """First champion: XAUC above a trivial baseline's, with its lower bound."""
    xauc = comparison.metrics["xauc"]
    lower = lower_bound(xauc.delta, xauc.standard_error, policy.bound_z)
    reason = f"XAUC {number(xauc.delta)} over {name}, lower bound {number(lower)} (must be above 0)"
    return Check(name=f"beats_{name}", status=status(lower > 0), value=lower, limit=0, metric="xauc", reason=reason)


def refresh_checks(comparison: Comparison, policy: GatePolicy) -> list[Check]:
    """Refresh: the same configuration on newer data must not be worse.

    Few judge days are too noisy for non-inferiority on XGAUC: there the guardrail "no evidence of harm" has to do.
    """
    xauc, xgauc, z = comparison.metrics["xauc"], comparison.metrics["xgauc"], policy.bound_z
    if len(comparison.days) < policy.pooled_days:
        return [not_inferior("xauc", xauc.delta, xauc.standard_error, policy.refresh_xauc_margin, z)]
    return [
        not_inferior("xauc", xauc.delta, xauc.standard_error, policy.pooled_xauc_margin, z),
        not_inferior("xgauc", xgauc.delta, xgauc.standard_error, policy.pooled_xgauc_margin, z),
    ]


def sufficiency_checks(nights: int, seeds: tuple[int, int], policy: GatePolicy) -> list[Check]:
    """Upgrade: enough judge days, and enough seeds on both sides.

    Args:
        nights: judge days on which both recipes were judged, this one included.
        seeds: number of the challenger's and of the champion's seeds.
        policy: what is needed.
    """
    days, need = policy.upgrade_days, policy.upgrade_seeds
    return [
        Check(
            name="days",
            status=status(nights >= days),
            value=nights,
            limit=days,
            reason=f"an upgrade needs {days} judge days, has {nights}",
        ),
        Check(
            name="seeds",
            status=status(min(seeds) >= need),
            value=min(seeds),
            limit=need,
            reason=f"an upgrade needs {need} seeds each, has {seeds[0]} (challenger) and {seeds[1]} (champion)",
        ),
    ]


def upgrade_checks(comparison: Comparison, policy: GatePolicy) -> list[Check]:
    """Upgrade: one of XAUC and XGAUC superior after Holm's correction, the other at least non-inferior.

    A superior metric is non-inferior anyhow, so both are held to their margins. Standard errors hold the variance of
    users and of seeds. A tie of evidence fails: the champion stays.
    """
    metrics = {name: comparison.metrics[name] for name in TESTED}
    errors = {name: with_seed_variance(metric) for name, metric in metrics.items()}
    adjusted = holm({name: superiority_p_value(metric.delta, errors[name]) for name, metric in metrics.items()})
    margins = {"xauc": policy.pooled_xauc_margin, "xgauc": policy.pooled_xgauc_margin}
    smallest = min(adjusted.values())
    tested = ", ".join(f"{label(name)} {number(metrics[name].delta)} (p = {adjusted[name]:.3f})" for name in TESTED)
    superiority = Check(
        name="superior",
        status=status(smallest <= policy.significance),
        value=smallest,
        limit=policy.significance,
        reason=f"Holm-adjusted one-sided tests of superiority: {tested}; one must be <= {policy.significance:g}",
    )
    others = [
        not_inferior(name, metric.delta, errors[name], margins[name], policy.bound_z)
        for name, metric in metrics.items()
    ]
    return [superiority, *others]
