"""The differences of two models: each night as the gate computes it, nights pooled as the gate pools them.

Source: docs/methods/metrics.md#any-two-models.
"""

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.evaluate.bins import BinEdges
from tasks.evaluate.compare import compare
from tasks.evaluate.compare_segments import SegmentDifference, compare_segments
from tasks.evaluate.comparison import Comparison
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.evaluate.multiplicity import Key, holm, p_value
from tasks.evaluate.table import PredictionTable
from tasks.gate.evidence_process import Source, variance_of_sum


@dataclass(frozen=True)
class Pair:
    """Two prediction tables of one judge day.

    Attributes:
        as_of: the night.
        candidate: table of the one model.
        reference: table of the other.
    """

    as_of: dt.date
    candidate: Path
    reference: Path


@dataclass(frozen=True)
class Difference(Interval):
    """Candidate - reference of one metric over some nights; for `rmse_ratio` candidate / reference - 1.

    The interval is of this difference alone; what many differences together allow to be said is `adjusted`.

    Attributes:
        nights: that define it.
        p_value: two-sided, of this difference alone.
        adjusted: the same among all that are shown beside it.
        spread: which variance ruled: users resampled, between nights, or between weeks.
        candidate: mean over the nights; NaN where only the difference is known.
        reference: the same.
        rows: of all nights.
    """

    nights: int
    p_value: float
    adjusted: float
    spread: Source
    candidate: float = math.nan
    reference: float = math.nan
    rows: int = 0


@dataclass(frozen=True)
class SegmentLine:
    """The differences in one segment over some nights.

    Attributes:
        segment: segmentation, such as `scene`.
        value: its value, in words.
        rows: of all nights.
        metrics: name -> difference; empty where no night has enough rows.
    """

    segment: str
    value: str
    rows: int
    metrics: Mapping[str, Difference]


@dataclass(frozen=True)
class ModelComparison:
    """Everything that is shown of two models.

    Attributes:
        candidate: what the one is called.
        reference: what the other is called.
        nights: the judge days, in order.
        rows: of all nights.
        metrics: name -> difference on all rows; one family of tests.
        segments: by segment; another family.
        by_night: night -> its XAUC difference.
        confidence: of the intervals.
    """

    candidate: str
    reference: str
    nights: tuple[dt.date, ...]
    rows: int
    metrics: Mapping[str, Difference]
    segments: tuple[SegmentLine, ...]
    by_night: Mapping[dt.date, Interval]
    confidence: float

    @property
    def alpha(self) -> float:
        """Chance of calling any difference one where there is none."""
        return 1 - self.confidence


def compare_models(
    names: tuple[str, str],
    pairs: Sequence[Pair],
    config: EvaluationConfig,
    duration_edges_s: Sequence[float] | None = None,
) -> ModelComparison:
    """Compare two models on the judge days that both predicted.

    Args:
        names: of candidate and reference.
        pairs: their tables, one pair per night, in order of time.
        config: segments, replicates, confidence.
        duration_edges_s: duration edges of the fit days of the last night; None: equal-count groups of its rows.

    Raises:
        ContractError: if a table or a column is missing.
        PredictionError: if a prediction is NaN or infinite, or the two sides hold different rows.
    """
    edges = BinEdges.of(PredictionTable.read(names[0], [pairs[-1].candidate]), config, duration_edges_s)
    nightly = [compare([pair.candidate], [pair.reference], config, edges.duration_s.tolist()) for pair in pairs]
    parts = [compare_segments(pair.candidate, pair.reference, config, edges) for pair in pairs]
    return ModelComparison(
        *names,
        nights=tuple(pair.as_of for pair in pairs),
        rows=sum(found.rows for found in nightly),
        metrics=adjusted({name: _metric(name, nightly, config.confidence) for name in _names(nightly)}),
        segments=_segments(parts, config.confidence),
        by_night={pair.as_of: found.metrics["xauc"] for pair, found in zip(pairs, nightly, strict=True)},
        confidence=config.confidence,
    )


def pooled(nights: Iterable[Interval], level: float) -> Difference:
    """Pool differences of single nights, each counted once: their mean, with the variance that the gate's evidence has.

    One night keeps the interval it has.

    Args:
        nights: in order of time; undefined ones are left out.
        level: coverage of the interval.
    """
    found = [night for night in nights if math.isfinite(night.value) and math.isfinite(night.standard_error)]
    if not found:
        nothing = math.nan
        return Difference(nothing, nothing, nothing, nothing, 0, nothing, nothing, "bootstrap")
    deltas, errors = [night.value for night in found], [night.standard_error for night in found]
    variance, source = variance_of_sum(deltas, errors)
    one = Interval.normal(math.fsum(deltas) / len(found), math.sqrt(variance) / len(found), level)
    one = found[0] if len(found) == 1 else one
    p = p_value(one.value, one.standard_error)
    return Difference(one.value, one.standard_error, one.low, one.high, len(found), p, p, source)


def adjusted(family: Mapping[Key, Difference]) -> dict[Key, Difference]:
    """Return differences that are shown beside each other, each with its p-value among them."""
    among = holm({key: found.p_value for key, found in family.items()})
    return {key: replace(found, adjusted=among[key]) for key, found in family.items()}


def _names(nightly: Sequence[Comparison]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for found in nightly for name in found.metrics))


def _metric(name: str, nightly: Sequence[Comparison], level: float) -> Difference:
    paired = [found.metrics[name] for found in nightly if name in found.metrics]
    defined = [one for one in paired if math.isfinite(one.value)]
    means = (math.fsum(values) / len(defined) if defined else math.nan for values in (
        [one.candidate for one in defined], [one.reference for one in defined]
    ))  # fmt: skip
    candidate, reference = means
    rows = sum(one.rows for one in defined)
    return replace(pooled(paired, level), candidate=candidate, reference=reference, rows=rows)


def _segments(nightly: Sequence[Sequence[SegmentDifference]], level: float) -> tuple[SegmentLine, ...]:
    grouped: dict[tuple[str, str], list[SegmentDifference]] = {}
    for parts in nightly:
        for part in parts:
            grouped.setdefault((part.segment, part.value), []).append(part)
    differences = {
        (where, name): pooled([part.metrics[name] for part in parts if name in part.metrics], level)
        for where, parts in grouped.items()
        for name in dict.fromkeys(name for part in parts for name in part.metrics)
    }
    shown = adjusted(differences)
    order = list(dict.fromkeys(segment for segment, _ in grouped))
    return tuple(
        SegmentLine(
            *where,
            rows=sum(part.rows for part in parts),
            metrics={name: found for (place, name), found in shown.items() if place == where},
        )
        for where, parts in sorted(grouped.items(), key=lambda item: order.index(item[0][0]))
    )
