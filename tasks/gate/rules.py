"""The three rules a challenger can be held against: first champion, refresh, upgrade.

Source: docs/methods/metrics.md#promotion-gate.
"""

from tasks.evaluate.catalogue import TESTED, metric
from tasks.evaluate.comparison import Comparison
from tasks.gate.config import GatePolicy
from tasks.gate.decision import Check
from tasks.gate.guardrails import check, not_inferior
from tasks.gate.statistics import holm, lower_bound, superiority_p_value, with_seed_variance


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


def sufficiency_checks(nights: int, seeds: tuple[int, int], policy: GatePolicy) -> list[Check]:
    """Upgrade: enough judge days, and enough seeds on both sides.

    Args:
        nights: judge days on which both recipes were judged, this one included.
        seeds: number of the challenger's and of the champion's seeds.
        policy: what is needed.
    """
    days, need = policy.upgrade_days, policy.upgrade_seeds
    return [
        check(
            "days",
            "enough judge days",
            nights >= days,
            f"an upgrade needs {days} judge days, has {nights}",
            value=nights,
            limit=days,
        ),
        check(
            "seeds",
            "enough seeds",
            min(seeds) >= need,
            f"an upgrade needs {need} seeds each, has {seeds[0]} (challenger) and {seeds[1]} (champion)",
            value=min(seeds),
            limit=need,
        ),
    ]


def upgrade_checks(comparison: Comparison, policy: GatePolicy) -> list[Check]:
    """Upgrade: one of XAUC and XGAUC superior after Holm's correction, the other at least non-inferior.

    A superior metric is non-inferior anyhow, so both are held to their margins. Standard errors hold the variance of
    users and of seeds. A tie of evidence fails: the champion stays.
    """
    metrics = {name: comparison.metrics[name] for name in TESTED}
    errors = {name: with_seed_variance(paired) for name, paired in metrics.items()}
    adjusted = holm({name: superiority_p_value(paired.value, errors[name]) for name, paired in metrics.items()})
    margins = {"xauc": policy.pooled_xauc_margin, "xgauc": policy.pooled_xgauc_margin}
    smallest = min(adjusted.values())
    tested = ", ".join(
        f"{metric(name).label} {metric(name).difference(metrics[name].value)} (p = {adjusted[name]:.3f})"
        for name in TESTED
    )
    superiority = check(
        "superior",
        "superiority",
        smallest <= policy.significance,
        f"Holm-adjusted one-sided tests of superiority: {tested}; one must be <= {policy.significance:g}",
        value=smallest,
        limit=policy.significance,
    )
    others = [
        not_inferior(name, paired.value, errors[name], margins[name], policy.bound_z)
        for name, paired in metrics.items()
    ]
    return [superiority, *others]
