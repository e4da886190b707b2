"""Metrics of one model under uniform exposure, against outcomes and against their expectation.

Shapes: B rows.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tasks.core.labels import LABELS
from tasks.evaluate.bins import BinEdges
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw, average
from tasks.evaluate.headline import statistic, uniform_statistics
from tasks.evaluate.metrics.grouped import xgauc
from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.metrics.pairwise import xauc_influence
from tasks.evaluate.metrics.uncertainty import Statistic
from tasks.evaluate.random_exposure import ExposureEstimate, exposed_statistics
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.rows import Predictions, Rows, observed, predicted
from tasks.evaluate.table import PredictionTable


def true_metrics(
    name: str, predictions: Path, expected_B: FloatArray | None, config: EvaluationConfig
) -> list[ExposureEstimate]:
    """Measure a prediction table of uniformly exposed rows.

    Args:
        name: the model's name, for messages.
        predictions: the table.
        expected_B: [B] expected seconds of every row; None where the label is not the truncated watch time.
        config: how uncertainty is drawn.

    Returns:
        `truth`: against what was watched, the estimand of all estimates under uniform exposure; its interval is that of
        the rows drawn. `truth_expected`: against expected seconds, without the noise that nobody can predict.

    Raises:
        PredictionError: if a prediction is NaN or infinite.
    """
    table = PredictionTable.read(name, [predictions])
    resampler = Resampler(table.num_users, config.replicates, config.seed)
    groups = BinEdges.of(table, config).duration_groups(table)
    rows = observed(table, groups, resampler, LABELS, config.seed)
    draws: dict[str, list[Mapping[str, Draw]]] = {"truth": [], "truth_expected": []}
    for seed in table.seeds:
        model = predicted(table, seed, table.tasks)
        draws["truth"].append(resampler.draw(exposed_statistics(rows, model, config)))
        if expected_B is not None:
            draws["truth_expected"].append(resampler.draw(_against(replace(rows, watch_B=expected_B), model, config)))
    return [
        ExposureEstimate(
            exposure,
            len(rows),
            {metric: average([draw[metric] for draw in of_seed], config.confidence) for metric in of_seed[0]},
        )
        for exposure, of_seed in draws.items()
        if of_seed
    ]


def _against(rows: Rows, model: Predictions, config: EvaluationConfig) -> dict[str, Statistic]:
    """Return what can be said against expected seconds: order, to the millisecond, and the predicted means."""
    return {
        "xauc": xauc_influence(rows.watch_B, model.score_B, rows.users, "ms"),
        "xgauc": xgauc(rows.watch_B, model.score_B, rows.users, rows.days, "ms"),
        **{name: statistic(name, rows, model, config) for name in ("rmse", "tre_signed")},
        **uniform_statistics(rows, model, config),
    }
