"""Compare two models on identical rows, paired by user: what the promotion gate needs, no more."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tasks.evaluate.arm import Arm, JudgeRows, measure_arm
from tasks.evaluate.bins import BinEdges
from tasks.evaluate.catalogue import compared, metric
from tasks.evaluate.comparison import Comparison, PairedMetric
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw, difference, relative_difference, seed_sd
from tasks.evaluate.exposed import trusted_parts
from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.rows import Rows, logged_rows, observed
from tasks.evaluate.table import PredictionTable, require_same_rows


def compare(
    candidate: Sequence[Path],
    reference: Sequence[Path],
    config: EvaluationConfig,
    duration_edges_s: Sequence[float] | None = None,
) -> Comparison:
    """Compare two models, each given as one prediction table per judge day, in the same order of days.

    Rows of all days are pooled, and a user of several days is one user. Randomly exposed rows are left out unless
    there are no others; pair accuracy on them, and on logged rows reweighted to uniform exposure, is compared beside the
    rest where enough rows make it trustworthy.

    Args:
        candidate: tables of the challenger.
        reference: tables of the champion (or any model to compare with).
        config: how uncertainty is drawn, and which sparse tasks are reported.
        duration_edges_s: edges of the duration groups of DCE, from fit days; None: equal-count groups of these rows.

    Raises:
        ContractError: if a table or a column is missing.
        PredictionError: if a prediction is NaN or infinite, or the two sides hold different rows.
    """
    first, second = PredictionTable.read("candidate", candidate), PredictionTable.read("reference", reference)
    require_same_rows(first, second)
    judged = _judge_rows(first, second, config, duration_edges_s)
    arms = measure_arm(first, judged, config), measure_arm(second, judged, config)
    return Comparison(
        rows=len(judged.rows),
        users=judged.rows.num_users,
        days=first.days,
        metrics=_paired(*arms, judged, config.confidence),
        candidate_levels=arms[0].levels,
        reference_levels=arms[1].levels,
        scene_errors=arms[0].scene_errors,
        tied_share=arms[0].tied_share,
        score_psi=_population_stability(
            second.score(second.seeds[0])[judged.index], first.score(first.seeds[0])[judged.index]
        ),
    )


def _judge_rows(
    first: PredictionTable, second: PredictionTable, config: EvaluationConfig, duration_edges_s: Sequence[float] | None
) -> JudgeRows:
    resampler = Resampler(first.num_users, config.replicates, config.seed)
    tasks = tuple(task for task in first.tasks if task in second.tasks)
    edges = BinEdges.of(first, config, duration_edges_s)
    index = logged_rows(first)
    everything = observed(first, edges.duration_groups(first), resampler, tasks, config.seed)
    names = compared(tasks, config.sparse_tasks)
    flags = dict.fromkeys(flag for name in names if (flag := metric(name).segment))
    segments = {flag: np.flatnonzero(first.segment(flag)[index] == 1) for flag in flags}
    parts = trusted_parts(first, everything, config)
    return JudgeRows(
        everything.take(index), index, names, segments, first.segment("scene")[index], tasks, resampler, parts
    )


def _paired(candidate: Arm, reference: Arm, judged: JudgeRows, level: float) -> dict[str, PairedMetric]:
    return {
        name: _metric(name, draws, reference.draws[name], judged.rows_of(name), level)
        for name, draws in candidate.draws.items()
    }


def _metric(name: str, candidate: Sequence[Draw], reference: Sequence[Draw], rows: Rows, level: float) -> PairedMetric:
    compare_draws = relative_difference if name == "rmse_ratio" else difference
    values = [[draw.result.value for draw in arm] for arm in (candidate, reference)]
    task = metric(name).task
    return PairedMetric(
        **asdict(compare_draws(candidate, reference, level)),
        name=name,
        candidate=float(np.mean(values[0])),
        reference=float(np.mean(values[1])),
        candidate_seed_sd=seed_sd(values[0]),
        reference_seed_sd=seed_sd(values[1]),
        candidate_num_seeds=len(candidate),
        reference_num_seeds=len(reference),
        rows=len(rows),
        users=rows.num_users,
        positives=int(rows.labels[task].sum()) if task else None,
    )


def _population_stability(reference_B: FloatArray, candidate_B: FloatArray) -> float:
    """Return sum (q - p) ln(q / p) over the reference's deciles, shares floored at 1e-6."""
    edges = np.unique(np.quantile(reference_B, np.arange(1, 10) / 10))
    shares = [
        np.bincount(np.searchsorted(edges, values, side="right"), minlength=edges.size + 1) / values.size
        for values in (reference_B, candidate_B)
    ]
    p, q = (np.maximum(share, 1e-6) for share in shares)
    return float(((q - p) * np.log(q / p)).sum())
