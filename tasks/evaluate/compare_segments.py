"""Compare two models on identical rows segment by segment, paired by user."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.evaluate.bins import BinEdges
from tasks.evaluate.catalogue import MAIN, metric
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import difference
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.rows import logged_rows, observed, predicted
from tasks.evaluate.segments import segment_draws, segment_rows
from tasks.evaluate.table import PredictionTable, require_same_rows

COMPARED = tuple(name for name in MAIN if metric(name).higher_is_better is not None)
"""Main metrics whose difference says which model is better."""


@dataclass(frozen=True)
class SegmentDifference:
    """The differences in one segment.

    Attributes:
        segment: segmentation, such as `scene`.
        value: its value, in words.
        rows: rows of both sides.
        users: distinct users among them.
        metrics: candidate - reference of `COMPARED`; empty for a segment with too few rows.
    """

    segment: str
    value: str
    rows: int
    users: int
    metrics: Mapping[str, Interval]


def compare_segments(
    candidate: Path, reference: Path, config: EvaluationConfig, edges: BinEdges
) -> tuple[SegmentDifference, ...]:
    """Compare two models on one judge day in every segment that is configured.

    Args:
        candidate: prediction table of one model.
        reference: that of the other.
        config: which segments, and how uncertainty is drawn.
        edges: of the deciles; the same for days that are to be pooled.

    Raises:
        ContractError: if a table or a column is missing.
        PredictionError: if a prediction is NaN or infinite, or the two sides hold different rows.
    """
    sides = PredictionTable.read("candidate", [candidate]), PredictionTable.read("reference", [reference])
    first = sides[0]
    require_same_rows(*sides)
    resampler, index = Resampler(first.num_users, config.replicates, config.seed), logged_rows(first)
    rows = observed(first, edges.duration_groups(first), resampler, (), config.seed).take(index)
    parts = segment_rows(first, index, config, edges)
    draws = [
        [segment_draws(rows, predicted(side, seed, ()).take(index), parts, resampler, config) for seed in side.seeds]
        for side in sides
    ]
    found = []
    for number, part in enumerate(parts):
        one, other = ([of_seed[number] for of_seed in side] for side in draws)
        metrics = {
            name: difference([draw[name] for draw in one], [draw[name] for draw in other], config.confidence)
            for name in COMPARED
            if name in one[0]
        }
        users = int(np.unique(rows.users.code_B[part.index]).size)
        found.append(SegmentDifference(part.segment, part.value, int(part.index.size), users, metrics))
    return tuple(found)
