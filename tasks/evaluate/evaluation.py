"""Measure one model on the judge day: every headline metric with its uncertainty, by segment and by exposure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import DwellError
from tasks.core.labels import LABELS
from tasks.evaluate.arm import tied_share
from tasks.evaluate.bins import BinEdges
from tasks.evaluate.catalogue import ACROSS_DAYS, NEVER_BESIDE_FRESH
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw, Estimate, average
from tasks.evaluate.headline import list_statistics, task_statistics, watch_statistics
from tasks.evaluate.metrics.inputs import IntArray
from tasks.evaluate.random_exposure import ExposureEstimate, ExposureRows, exposure_draws, exposure_estimates
from tasks.evaluate.reliability import CalibrationBin, reliability
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.role import Role
from tasks.evaluate.rows import Predictions, Rows, logged_rows, observed, predicted
from tasks.evaluate.segments import SegmentMetrics, segment_draws, segment_metrics, segment_rows
from tasks.evaluate.table import PredictionTable


class UnknownMetric(DwellError):
    """A metric was asked for that was not computed; it is never answered with 0."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured on one prediction table.

    Attributes:
        name: the model's name.
        role: which rows these are; those of the judge day select nothing.
        days: days of the rows, as ISO dates.
        rows: rows of the headline metrics.
        users: distinct users among them.
        seeds: seeds averaged.
        metrics: headline metrics by name, such as `xauc`, `auc_skip`, `ndcg_long_view@10`.
        segments: main metrics of every segment.
        exposures: main metrics under logged, random and reweighted exposure; empty where the log tells nothing.
        reliability: calibration tables.
        duration_edges_s: edges of the duration deciles.
        warnings: what a reader should know.
    """

    name: str
    role: Role
    days: tuple[str, ...]
    rows: int
    users: int
    seeds: tuple[int, ...]
    metrics: Mapping[str, Estimate]
    segments: tuple[SegmentMetrics, ...]
    exposures: tuple[ExposureEstimate, ...]
    reliability: tuple[CalibrationBin, ...]
    duration_edges_s: tuple[float, ...]
    warnings: tuple[str, ...]

    def metric(self, name: str) -> Estimate:
        """Return one headline metric.

        Raises:
            UnknownMetric: if it was not computed, for example for another list length.
        """
        if name == ACROSS_DAYS and name not in self.metrics and len(self.days) > 1:
            raise UnknownMetric(
                f"{name!r} was not computed for model {self.name!r} over {len(self.days)} days: {NEVER_BESIDE_FRESH}"
            )
        if name not in self.metrics:
            known = ", ".join(sorted(self.metrics))
            raise UnknownMetric(f"{name!r} was not computed for model {self.name!r}; computed were: {known}")
        return self.metrics[name]


def measure(
    predictions: Path,
    config: EvaluationConfig,
    *,
    name: str,
    validation: Path | None = None,
    duration_edges_s: Sequence[float] | None = None,
    frozen: bool = False,
) -> Evaluation:
    """Measure one prediction table.

    Headline metrics and segments are about the rows the product's policy exposed; randomly exposed rows are reported
    beside them (and are the headline where there are no others).

    Args:
        predictions: the table of the judge day(s).
        config: what is computed.
        name: the model's name.
        validation: the table of the validation day, whose durations and popularities serve as decile edges.
        duration_edges_s: duration edges of the fit days, where they are known; they take precedence.
        frozen: whether the features of several judge days are of the morning of the first.

    Raises:
        ContractError: if a table or a column is missing.
        PredictionError: if a prediction is NaN or infinite.
    """
    table = PredictionTable.read(name, [predictions])
    before = table if validation is None else PredictionTable.read(name, [validation], "validation")
    edges = BinEdges.of(before, config, duration_edges_s)
    resampler = Resampler(table.num_users, config.replicates, config.seed)
    everything = observed(table, edges.duration_groups(table), resampler, LABELS, config.seed, frozen)
    index = logged_rows(table)
    rows = everything.take(index)
    segments = segment_rows(table, index, config, edges)
    exposure = ExposureRows.of(table, config)
    draws: list[dict[str, Draw]] = []
    by_segment: list[list[dict[str, Draw]]] = []
    by_exposure: list[dict[str, dict[str, Draw]]] = []
    bins: list[CalibrationBin] = []
    warnings = _missing_kinds(table, index)
    for seed in table.seeds:
        all_predictions = predicted(table, seed, table.tasks)
        here = all_predictions.take(index)
        draws.append(headline_draws(rows, here, resampler, config))
        by_segment.append(segment_draws(rows, here, segments, resampler, config))
        if exposure.informative:
            by_exposure.append(exposure_draws(everything, all_predictions, exposure, resampler, config))
        bins += reliability(rows, here, seed, config)
        warnings += _warnings(here, seed, config)
    return Evaluation(
        name=name,
        role=table.role,
        days=table.days,
        rows=len(rows),
        users=rows.num_users,
        seeds=table.seeds,
        metrics={metric: average([of_seed[metric] for of_seed in draws], config.confidence) for metric in draws[0]},
        segments=tuple(segment_metrics(rows, segments, by_segment, config.confidence)),
        exposures=tuple(exposure_estimates(exposure, by_exposure, config)) if exposure.informative else (),
        reliability=tuple(bins),
        duration_edges_s=tuple(edges.duration_s.tolist()),
        warnings=tuple(warnings),
    )


def headline_draws(
    rows: Rows, predictions: Predictions, resampler: Resampler, config: EvaluationConfig
) -> dict[str, Draw]:
    """Return every headline metric of one seed."""
    found = resampler.draw(watch_statistics(rows, predictions, config))
    found |= resampler.draw(list_statistics(rows, predictions, config))
    for task in predictions.probability:
        found |= resampler.draw(task_statistics(rows, predictions, task, config))
    return found


def _missing_kinds(table: PredictionTable, index: IntArray) -> list[str]:
    """Say which of new and known users and videos the rows lack: metrics tell nothing about those."""
    found = []
    for kind in ("user", "video"):
        share = table.segment(f"is_new_{kind}")[index].mean()
        if share in (0, 1):
            found.append(f"no row of a {'known' if share else 'new'} {kind}: these metrics say nothing about them")
    return found


def _warnings(predictions: Predictions, seed: int, config: EvaluationConfig) -> list[str]:
    share = tied_share(predictions.score_B)
    if share > config.maximum_tied_share:
        return [f"seed {seed}: {share:.1%} of all pairs of rows have equal scores; lists are broken by a hash there"]
    return []
