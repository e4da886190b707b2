"""Accuracy against bias along the dial of a recipe with proxy priors, from one fitted bundle.

Source: docs/methods/debias.md#proxy-priors. trade_off.json lies beside `metrics.json` where the recipe's objective is
`proxy_priors`. On the judge day it is a report: which t is served stands in the recipe, chosen beforehand (on
validation days, if at all).

Shapes: B rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.objectives.proxy_priors import ProxyPriors, ProxyPriorsConfig
from tasks.core.files import write_json
from tasks.core.labels import LABELS
from tasks.core.layout import JUDGE_TABLE
from tasks.core.predictions import probability
from tasks.evaluate.bins import BinEdges
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw, Estimate, average
from tasks.evaluate.metrics.bias_spread import bias_spread
from tasks.evaluate.metrics.classification import auc_influence
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.evaluate.metrics.pairwise import xauc_influence
from tasks.evaluate.night import MeasuredNight
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.rows import Rows, observed
from tasks.evaluate.stage import rounded
from tasks.evaluate.table import PredictionTable
from tasks.predict import Bundle, load_bundle
from tasks.predict.manifest import read_manifest
from tasks.table.source import FeatureDays, FeatureFolder
from tasks.trade_off.curves import FILE, CurveEstimate, ExposedCurves, TradeOffCurves, TradeOffPoint
from tasks.train.manifest import ServableRecipe

GRID = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Values of t."""
WATCH_TIME = "watch_time"

Point = dict[str, FloatArray]
"""Raw predictions [B] at one t: score, mean where the head has one, p_<task>."""


@dataclass(frozen=True, eq=False)
class CurveRows:
    """Everything one point of a curve is computed from.

    Attributes:
        rows: all rows of the table.
        parts: exposure -> row numbers.
        resampler: of the table's users.
        config: what is computed.
    """

    rows: Rows
    parts: dict[str, IntArray]
    resampler: Resampler
    config: EvaluationConfig


def has_dial(bundle: Path) -> bool:
    """Tell whether a bundle is of one recipe that blends two outputs."""
    manifest = read_manifest(bundle)
    return isinstance(manifest, ServableRecipe) and isinstance(manifest.recipe.objective, ProxyPriorsConfig)


def trade_off(
    night: MeasuredNight, bundle: Path, out: Path, duration_edges_s: Sequence[float] | None = None
) -> Path | None:
    """Write the curves of one bundle as `trade_off.json`; None where its objective has no dial.

    For every exposure (logged, and random where there are enough rows) and every target: the accuracy (XAUC of the score
    for watch time, AUC for a binary task) and the bias (`bias_spread` over duration deciles), each averaged over seeds
    with its interval. Predictions are those before calibration, since a calibrator by duration would hide what is
    measured: the native mean in seconds where the head has one, else its score in seconds; probabilities as they are.

    Args:
        night: its judge day is predicted and measured.
        bundle: the fitted recipe.
        out: folder that holds the bundle's prediction table of that day; the file is written beside it.
        duration_edges_s: edges of the duration deciles; None: deciles of these rows.
    """
    if not has_dial(bundle):
        return None
    model = load_bundle(bundle)
    table = PredictionTable.read(model.manifest.name, [out / JUDGE_TABLE])
    measured = _measured(table, night.evaluation, duration_edges_s)
    points = _predict(model, night.judge)
    objective = model.manifest.recipe.objective
    assert isinstance(objective, ProxyPriorsConfig)
    curves = TradeOffCurves(
        role=table.role,
        served=objective.trade_off,
        seeds=tuple(model.rankers),
        mean="mean" if "mean" in points[GRID[0]][0] else "score",
        exposures={
            name: ExposedCurves(rows=index.size, targets=_curves(measured, index, points, model.tasks))
            for name, index in measured.parts.items()
        },
    )
    return write_json(out / FILE, rounded(curves.as_json()))


def _measured(table: PredictionTable, config: EvaluationConfig, duration_edges_s: Sequence[float] | None) -> CurveRows:
    resampler = Resampler(table.num_users, config.replicates, config.seed)
    groups = BinEdges.of(table, config, duration_edges_s).duration_groups(table)
    rows = observed(table, groups, resampler, LABELS, config.seed)
    parts = {"logged": np.flatnonzero(table.logged), "random": np.flatnonzero(~table.logged)}
    enough = {name: index for name, index in parts.items() if index.size >= config.minimum_segment_rows}
    return CurveRows(rows, enough, resampler, config)


def _predict(model: Bundle, rows: FeatureDays) -> dict[float, list[Point]]:
    """Return t -> one set of raw predictions per seed; every row is encoded once."""
    source = FeatureFolder.open(rows.features)
    past = source.past(kept=4)
    parts: dict[float, list[list[Point]]] = {t: [[] for _ in model.rankers] for t in GRID}
    for day in rows.days:
        for frame in source.chunks(day, model.preprocessor.row_columns):
            encoded = model.encode(frame, past, str(source.rows(day)))
            for t in GRID:
                for number, seed in enumerate(model.rankers):
                    _turn(model, seed, t)
                    parts[t][number].append(model.predict_raw(encoded, seed))
    return {t: [_joined(chunks) for chunks in by_seed] for t, by_seed in parts.items()}


def _turn(model: Bundle, seed: int, t: float) -> None:
    """Set the dial of every task of one seed."""
    for objective in model.rankers[seed].objectives.values():
        assert isinstance(objective, ProxyPriors)
        objective.trade_off = t


def _joined(chunks: list[Point]) -> Point:
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _curves(
    measured: CurveRows, index: IntArray, points: dict[float, list[Point]], tasks: Sequence[str]
) -> dict[str, tuple[TradeOffPoint, ...]]:
    """Return target -> one point per t."""
    curves: dict[str, list[TradeOffPoint]] = {target: [] for target in (WATCH_TIME, *tasks)}
    for t in GRID:
        draws = [_draws(measured, index, point, tasks) for point in points[t]]
        for target, curve in curves.items():
            accuracy, bias = (
                _short(average([draw[f"{kind}/{target}"] for draw in draws], measured.config.confidence))
                for kind in ("accuracy", "bias")
            )
            curve.append(TradeOffPoint(trade_off=t, accuracy=accuracy, bias=bias))
    return {target: tuple(curve) for target, curve in curves.items()}


def _draws(measured: CurveRows, index: IntArray, point: Point, tasks: Sequence[str]) -> dict[str, Draw]:
    """Return one seed's accuracy and bias of every target at one t."""
    rows = measured.rows.take(index)
    seconds_B = (point["mean"] if "mean" in point else point["score"])[index]
    statistics: dict[str, Any] = {
        f"accuracy/{WATCH_TIME}": xauc_influence(rows.watch_B, point["score"][index], rows.users),
        f"bias/{WATCH_TIME}": bias_spread(rows.watch_B, seconds_B, rows.duration_groups, rows.units),
    }
    for task in tasks:
        label_B, probability_B = rows.labels[task], point[probability(task)][index]
        statistics[f"accuracy/{task}"] = auc_influence(label_B, probability_B, rows.users)
        statistics[f"bias/{task}"] = bias_spread(label_B, probability_B, rows.duration_groups, rows.units)
    return measured.resampler.draw(statistics)


def _short(estimate: Estimate) -> CurveEstimate:
    return CurveEstimate.model_validate(estimate)
