"""Paired differences of single nights: as the ledger keeps them, and what those of a champion's reign say together.

Source: docs/methods/metrics.md#evidence-over-nights.
"""

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from tasks.core.document import Document
from tasks.evaluate.catalogue import TESTED
from tasks.evaluate.comparison import Comparison
from tasks.gate.compared import Number
from tasks.gate.config import GatePolicy
from tasks.gate.evidence_process import (
    Process,
    Source,
    autocorrelation,
    combined,
    nights_needed,
    rejected,
)

NEWCOMERS = 0.2
"""Share of a reign's error that challengers which come later have to themselves."""

Against = Literal["champion", "anchor", "baseline"]


class Step(Document):
    """The difference of one metric on one night."""

    delta: float
    """challenger - reference, each the mean over its seeds"""
    standard_error: float
    """of that night alone, clustered by user"""


class Increment(Document):
    """What one night adds to what is known of a configuration against a reference."""

    night: dt.date
    recipe_hash: str
    """the challenger's configuration"""
    against: Against
    reference: str
    """registry entry, or name of the baseline"""
    metrics: Mapping[str, Step]
    """those that were defined that night"""

    @property
    def key(self) -> tuple[dt.date, str, Against, str]:
        """What there is one increment of; the first written stands."""
        return self.night, self.recipe_hash, self.against, self.reference

    @classmethod
    def of(
        cls, night: dt.date, recipe_hash: str, against: Against, reference: str, comparison: Comparison
    ) -> "Increment":
        """Take a night's comparison over: XAUC, and against a champion XGAUC too."""
        names = ("xauc",) if against == "baseline" else TESTED
        found = {name: comparison.metrics[name] for name in names}
        steps = {
            name: Step(delta=paired.value, standard_error=paired.standard_error)
            for name, paired in found.items()
            if math.isfinite(paired.value) and math.isfinite(paired.standard_error)
        }
        return cls(night=night, recipe_hash=recipe_hash, against=against, reference=reference, metrics=steps)


class Reign(Document):
    """The nights of one champion configuration, refreshes included, up to a night that is about to be decided."""

    since: dt.date | None = None
    """first night whose challengers had to beat that configuration; None where there is no champion"""
    number: int = 1
    """how many reigns there were, this one included"""
    anchor: str | None = None
    """entry that refreshes are held to: the one that began the reign, or a later one that took its place"""
    increments: tuple[Increment, ...] = ()
    """of the reign's nights, in the order written; those against baselines of the last nights only, of any reign"""

    def error(self, policy: GatePolicy) -> float:
        """Return the chance that this reign may promote a configuration that is not better."""
        return policy.significance / (self.number * (self.number + 1) if policy.error_for == "lifetime" else 1)

    def by_night(
        self, recipe_hash: str, reference: str | None = None, tonight: Iterable[Increment] = ()
    ) -> Mapping[dt.date, Step]:
        """Return what the nights of one configuration say of XAUC, in order of time.

        Args:
            recipe_hash: the configuration.
            reference: entry or baseline that it was compared with; None: any.
            tonight: increments that no ledger holds yet.
        """
        found = (
            increment
            for increment in (*self.increments, *tonight)
            if increment.recipe_hash == recipe_hash and reference in (None, increment.reference)
        )
        return _by_night(found, "xauc")


def _by_night(increments: Iterable[Increment], metric: str) -> Mapping[dt.date, Step]:
    """Return the step of every night that defines the metric, in order of time; the first written stands."""
    found: dict[dt.date, Step] = {}
    for increment in increments:
        if metric in increment.metrics:
            found.setdefault(increment.night, increment.metrics[metric])
    return {night: found[night] for night in sorted(found)}


class Pooled(NamedTuple):
    """The mean difference of some nights, each counted once.

    Attributes:
        nights: how many.
        mean: NaN of no night.
        standard_error: of the mean.
    """

    nights: int
    mean: float
    standard_error: float

    @classmethod
    def of(cls, steps: Sequence[Step]) -> "Pooled":
        """Pool nights."""
        if not steps:
            return cls(0, math.nan, math.nan)
        error = math.sqrt(math.fsum(step.standard_error**2 for step in steps)) / len(steps)
        return cls(len(steps), math.fsum(step.delta for step in steps) / len(steps), error)

    def nights_for(self, margin: float) -> int:
        """Return the nights that show non-inferiority with a chance of 80 % if nothing differs."""
        nightly = self.standard_error * math.sqrt(self.nights)
        return max(1, math.ceil((2.487 * nightly / margin) ** 2)) if margin > 0 and math.isfinite(nightly) else 1


class MetricEvidence(Document):
    """What the nights of a reign say on one metric."""

    name: str
    nights: int
    total: float
    """sum of the nights' differences"""
    variance: float
    """of that sum"""
    variance_source: Source
    """which of three estimates ruled: users resampled, between nights, between weeks"""
    e_value: float
    lower: float
    """of the mean difference, at the error of a reign, whenever one looks"""
    autocorrelation: Number
    """of a night with the one before it"""

    @property
    def mean(self) -> float:
        """Mean difference of a night."""
        return self.total / self.nights


class ReignEvidence(Document):
    """What the nights of a reign say on one challenger."""

    nights: int
    first_decision: int
    """nights from which it may be promoted"""
    slot: Literal["starting", "newcomer"]
    """whether it was judged from the reign's first night on"""
    threshold: float
    """that the mean E of both metrics must reach where no other challenger helps"""
    e_value: float
    """mean E of both metrics"""
    superior: bool
    """whether closed testing over the reign's challengers calls it better"""
    nights_needed: int | None
    """in all, if nights go on as they did; None where no number would do"""
    metrics: tuple[MetricEvidence, ...]

    @property
    def said(self) -> str:
        """How much evidence there is, and how much is missing, in words."""
        have = f"{self.nights} night{'s' if self.nights != 1 else ''} of evidence"
        if self.superior and self.nights >= self.first_decision:
            return f"{have}, and enough"
        if self.nights_needed is None:
            return f"{have}, and no number would do if nights go on like these"
        return f"{have}, about {max(1, self.nights_needed - self.nights)} more needed if they go on like these"


def weigh(
    reign: Reign, tonight: Sequence[Increment], champion_hash: str, policy: GatePolicy
) -> Mapping[str, ReignEvidence]:
    """Weigh every other configuration that was judged in a reign, tonight included.

    Those of the reign's first night share most of the error by closed testing; the j-th that comes later has
    6 / (pi j)^2 of the rest to itself, so that an endless line of newcomers spends no more than there is.

    Args:
        reign: earlier nights.
        tonight: this night's increments.
        champion_hash: the champion's configuration, whose refits are no upgrades.
        policy: error and first decision.

    Returns:
        configuration -> its evidence; empty of nights that define neither metric.
    """
    judged: dict[str, list[Increment]] = {}
    for increment in (*reign.increments, *tonight):
        if increment.against == "champion" and increment.recipe_hash != champion_hash:
            judged.setdefault(increment.recipe_hash, []).append(increment)
    since = {name: min(increment.night for increment in increments) for name, increments in judged.items()}
    first = min(since.values(), default=None)
    starting = [name for name, night in since.items() if night == first]
    newcomers = sorted((name for name in since if name not in starting), key=since.__getitem__)
    found = {name: metrics for name in (*starting, *newcomers) if (metrics := _metrics(judged[name]))}
    e_values = {name: combined([metric.process for metric in metrics]) for name, metrics in found.items()}
    error = reign.error(policy)
    shared = error * (1 - NEWCOMERS)
    better = set(rejected({name: e_values[name] for name in starting if name in e_values}, shared))
    alphas = dict.fromkeys(starting, shared / max(1, len(starting)))
    for place, name in enumerate(newcomers, start=1):
        alphas[name] = error * NEWCOMERS * 6 / (math.pi * place) ** 2
        if e_values.get(name, 0) >= 1 / alphas[name]:
            better.add(name)
    return {
        name: _evidence(metrics, alphas[name], name in better, name in starting, policy)
        for name, metrics in found.items()
    }


class _Metric(NamedTuple):
    """One metric over the nights of one challenger."""

    name: str
    process: Process
    autocorrelation: float


def _metrics(increments: Sequence[Increment]) -> list[_Metric]:
    found = []
    for name in TESTED:
        steps = _by_night(increments, name).values()
        if steps:
            deltas = [step.delta for step in steps]
            process = Process.of(deltas, [step.standard_error for step in steps])
            found.append(_Metric(name, process, autocorrelation(deltas)))
    return found


def _evidence(
    metrics: Sequence[_Metric], alpha: float, superior: bool, is_starting: bool, policy: GatePolicy
) -> ReignEvidence:
    processes = [metric.process for metric in metrics]
    lasting = any(metric.autocorrelation > policy.autocorrelation_limit for metric in metrics)
    earliest = max(policy.upgrade_days, policy.autocorrelated_days) if lasting else policy.upgrade_days
    return ReignEvidence(
        nights=max(process.nights for process in processes),
        first_decision=earliest,
        slot="starting" if is_starting else "newcomer",
        threshold=1 / alpha,
        e_value=combined(processes),
        superior=superior,
        nights_needed=nights_needed(processes, 1 / alpha, earliest),
        metrics=tuple(
            MetricEvidence(
                name=name,
                nights=process.nights,
                total=process.total,
                variance=process.variance,
                variance_source=process.source,
                e_value=process.e_value,
                lower=process.lower(policy.significance),
                autocorrelation=correlation,
            )
            for name, process, correlation in metrics
        ),
    )
