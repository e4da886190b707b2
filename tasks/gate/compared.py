"""A paired comparison as a decision keeps it: every number, undefined ones as None, with the gate's own bounds."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tasks.core.document import Document
from tasks.evaluate.comparison import Comparison, PairedMetric
from tasks.gate.statistics import lower_bound, upper_bound


def _defined(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


Number = Annotated[float | None, BeforeValidator(_defined)]
"""A float; undefined (NaN, infinite) values are None, so that the JSON is plain JSON."""


class Delta(Document):
    """A paired metric with its one-sided bounds."""

    name: str
    candidate: Number
    reference: Number
    value: Number = Field(alias="delta")
    """candidate - reference; for rmse_ratio candidate / reference - 1"""
    standard_error: Number
    """paired, clustered by user"""
    lower: Number
    """value - z s.e."""
    upper: Number
    """value + z s.e."""
    low: Number = Field(alias="interval_low")
    """two-sided bootstrap interval"""
    high: Number = Field(alias="interval_high")
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
        estimate = metric.value, metric.standard_error
        return cls(**asdict(metric), lower=lower_bound(*estimate, z), upper=upper_bound(*estimate, z))


class Compared(Document):
    """A challenger against one reference on one set of rows."""

    reference: str
    """"champion" or the name of a baseline"""
    scope: Literal["judge", "pooled"]
    """this night's judge rows, or those of several nights"""
    days: tuple[str, ...]
    rows: int
    users: int
    deltas: tuple[Delta, ...]
    candidate_levels: Mapping[str, Number]
    """metrics of the challenger alone, and ..."""
    reference_levels: Mapping[str, Number]
    """... of the reference"""
    tied_share: Number = None
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
            candidate_levels=comparison.candidate_levels,
            reference_levels=comparison.reference_levels,
            tied_share=comparison.tied_share,
            score_psi=comparison.score_psi,
        )

    def delta(self, name: str) -> Delta | None:
        """Return one metric; None where it was not computed."""
        return next((delta for delta in self.deltas if delta.name == name), None)
