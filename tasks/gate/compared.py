"""A paired comparison as a decision keeps it: every number, undefined ones as None, with the gate's own bounds."""

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator

from tasks.core.settings import Block
from tasks.evaluate.comparison import Comparison, Guardrails, PairedMetric
from tasks.gate.statistics import lower_bound, upper_bound


def _defined(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


Number = Annotated[float | None, BeforeValidator(_defined)]
"""A float; undefined (NaN, infinite) values are None, so that the JSON is plain JSON."""


class Delta(Block):
    """One paired metric with its one-sided bounds."""

    name: str
    candidate: Number
    reference: Number
    delta: Number
    """candidate - reference; for rmse_ratio candidate / reference - 1"""
    standard_error: Number
    """paired, clustered by user"""
    lower: Number
    """delta - z s.e."""
    upper: Number
    """delta + z s.e."""
    interval_low: Number
    """two-sided bootstrap interval"""
    interval_high: Number
    candidate_seed_sd: Number
    reference_seed_sd: Number
    candidate_num_seeds: int
    reference_num_seeds: int
    rows: int
    users: int
    positives: int | None

    @classmethod
    def of(cls, metric: PairedMetric, z: float) -> "Delta":
        """Take a paired metric over, adding the gate's bounds."""
        return cls(
            name=metric.name,
            candidate=metric.candidate,
            reference=metric.reference,
            delta=metric.delta,
            standard_error=metric.standard_error,
            lower=lower_bound(metric.delta, metric.standard_error, z),
            upper=upper_bound(metric.delta, metric.standard_error, z),
            interval_low=metric.low,
            interval_high=metric.high,
            candidate_seed_sd=metric.candidate_seed_sd,
            reference_seed_sd=metric.reference_seed_sd,
            candidate_num_seeds=metric.candidate_num_seeds,
            reference_num_seeds=metric.reference_num_seeds,
            rows=metric.rows,
            users=metric.users,
            positives=metric.positives,
        )


class Levels(Block):
    """Guardrail values of one side alone."""

    rmse: Number
    mae: Number
    tre_signed: Number
    dce_rel: Number
    dce_max: Number
    tied_share: Number

    @classmethod
    def of(cls, guardrails: Guardrails) -> "Levels":
        """Take one side's guardrail values over."""
        return cls(**{name: getattr(guardrails, name) for name in cls.model_fields})


class Compared(Block):
    """A challenger against one reference on one set of rows."""

    reference: str
    """"champion" or the name of a baseline"""
    scope: Literal["judge", "pooled"]
    """this night's judge rows, or those of several nights"""
    days: tuple[str, ...]
    rows: int
    users: int
    deltas: tuple[Delta, ...]
    candidate_levels: Levels
    reference_levels: Levels
    score_psi: Number

    @classmethod
    def of(cls, comparison: Comparison, reference: str, scope: Literal["judge", "pooled"], z: float) -> "Compared":
        """Take a comparison over, metrics in order of name."""
        return cls(
            reference=reference,
            scope=scope,
            days=comparison.days,
            rows=comparison.rows,
            users=comparison.users,
            deltas=tuple(Delta.of(metric, z) for _, metric in sorted(comparison.metrics.items())),
            candidate_levels=Levels.of(comparison.candidate),
            reference_levels=Levels.of(comparison.reference),
            score_psi=comparison.score_psi,
        )

    def delta(self, name: str) -> Delta | None:
        """Return one metric; None where it was not computed."""
        return next((delta for delta in self.deltas if delta.name == name), None)
