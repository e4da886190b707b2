"""The rows of every segment, and the main metrics of each with intervals and counts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.evaluate.bins import BinEdges, range_names
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw, Estimate, average
from tasks.evaluate.headline import main_statistics
from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.evaluate.metrics.inputs import IntArray
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.rows import Predictions, Rows
from tasks.evaluate.table import PredictionTable


@dataclass(frozen=True, eq=False)
class SegmentRows:
    """The rows of one value of one segmentation.

    Attributes:
        segment: segmentation, such as `scene`.
        value: its value, in words.
        index: row numbers.
    """

    segment: str
    value: str
    index: IntArray


@dataclass(frozen=True)
class SegmentMetrics:
    """The main metrics of one segment.

    Attributes:
        segment: segmentation, such as `scene`.
        value: its value, in words.
        rows: rows.
        users: distinct users.
        metrics: estimates by name; empty for a segment with too few rows.
    """

    segment: str
    value: str
    rows: int
    users: int
    metrics: Mapping[str, Estimate]


def segment_rows(
    table: PredictionTable, rows: IntArray, config: EvaluationConfig, edges: BinEdges
) -> list[SegmentRows]:
    """Return the rows of every segment that is configured, in order of the segments' values.

    Args:
        table: the prediction table.
        rows: rows of it that are looked at; the segments number these from 0.
        config: which segments.
        edges: of the deciles.
    """
    found = []
    for segment in config.segments:
        all_groups, names = _groups(table, segment, config, edges)
        groups = all_groups.subset(rows)
        order = np.argsort(groups.code_B, kind="stable")
        parts = np.split(order, np.cumsum(groups.rows())[:-1])
        found += [SegmentRows(segment, name, part) for name, part in zip(names, parts, strict=True) if part.size]
    return found


def segment_draws(
    rows: Rows,
    predictions: Predictions,
    segments: Sequence[SegmentRows],
    resampler: Resampler,
    config: EvaluationConfig,
) -> list[dict[str, Draw]]:
    """Return one seed's main metrics of every segment; none for a segment with too few rows."""
    return [
        resampler.draw(main_statistics(rows.take(part.index), predictions.take(part.index), config))
        if part.index.size >= config.minimum_segment_rows
        else {}
        for part in segments
    ]


def segment_metrics(
    rows: Rows, segments: Sequence[SegmentRows], draws: Sequence[Sequence[dict[str, Draw]]], level: float
) -> Iterator[SegmentMetrics]:
    """Yield every segment's metrics averaged over seeds.

    Args:
        rows: all rows.
        segments: from `segment_rows`.
        draws: per seed, what `segment_draws` returned.
        level: coverage of the intervals.
    """
    for number, part in enumerate(segments):
        seeds = [of_seed[number] for of_seed in draws]
        metrics = {name: average([draw[name] for draw in seeds], level) for name in seeds[0]}
        users = int(np.unique(rows.users.code_B[part.index]).size)
        yield SegmentMetrics(part.segment, part.value, int(part.index.size), users, metrics)


def _groups(
    table: PredictionTable, segment: str, config: EvaluationConfig, edges: BinEdges
) -> tuple[Groups, Sequence[str]]:
    if segment == "duration_decile":
        return edges.duration_groups(table), range_names(edges.duration_s, " s")
    if segment == "popularity_decile":
        return edges.popularity_groups(table), range_names(edges.popularity)
    if segment == "hour_block":
        width = config.hours_per_block
        starts = np.arange(0, 24, width)
        names = [f"{start:02d}-{min(start + width, 24):02d} h" for start in starts]
        return Groups(table.segment("hour") // width, starts.size), names
    if segment == "scene":
        scene = table.segment("scene")
        return encode_groups(scene), [str(value) for value in np.unique(scene)]
    return Groups(table.segment(segment), 2), flag_names(segment)


def flag_names(segment: str) -> tuple[str, str]:
    """Return the values of a flag such as `is_new_user` in words: without it, with it."""
    kind = segment.removeprefix("is_new_")
    return f"known {kind}", f"new {kind}"
