"""Tomorrow's lists and those of the judge day under other weights of the objectives: what would change, and for what."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.contract import KEY
from tasks.core.document import existing, read_document, read_optional
from tasks.core.errors import NightError
from tasks.core.layout import JUDGE_TABLE
from tasks.core.predictions import probability, task_of
from tasks.evaluate.metrics.ranked_lists import tie_hash
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.evaluate.rows import logged_rows
from tasks.evaluate.table import PredictionTable
from tasks.gate.decision import load_decision
from tasks.night.belonging import refuse_others
from tasks.report.formatting import Measure, interval, number, plural, task
from tasks.score.fusion.counterfactual import ListChanges, TwoOrders, checked_weights, list_changes, weighted_order
from tasks.score.fusion.document import FILE as FUSION_FILE
from tasks.score.fusion.document import FusionDocument
from tasks.score.fusion.lists import DayLists
from tasks.score.fusion.stage import predictions_of
from tasks.score.summary import FILE, ScoreSummary
from tasks.stages import Night

_SECONDS, _PERCENT = Measure("", "", 2, "s"), Measure("", "", 2, "%")
_WATCHED = "seconds watched"
_LABELS = ("long_view", "skip", "like")
"""What of the judge day's rows is counted beside seconds."""


@dataclass(frozen=True)
class OtherWeights:
    """What lists would be under other weights.

    Attributes:
        summary: whose scores they are, for which day.
        weights: objective -> weight.
        tomorrow: the served day's lists; worth what the model predicts.
        judged: the judge day's, worth what was observed; rows that were shown only.
        judge_days: that day.
    """

    summary: ScoreSummary
    weights: Mapping[str, float]
    tomorrow: ListChanges
    judged: ListChanges
    judge_days: tuple[str, ...]


def other_weights(night: Night, weights: Mapping[str, float], k: int | None = None) -> OtherWeights:
    """Compare the night's lists with those that other weights of the objectives would order.

    Args:
        night: its scores and judge tables lie in the workspace.
        weights: objective -> weight, below 0 where unwanted; watch time has 1 unless it is named.
        k: places of tomorrow's lists; None: all of them. Of the judge day, whose lists are short, the shortest length that
            the evaluation measures.

    Raises:
        NightError: if nothing serves, or the scores are of another night than run.yaml.
        ConfigError: if a weight is of no objective of the scores.
    """
    workspace, params = night.workspace, night.params
    refuse_others(workspace, params, night.key, ["artifacts/gate", "artifacts/scores"], "dwell reweigh")
    summary = read_document(workspace.scores / FILE, ScoreSummary, "score")
    if summary.model is None:
        raise NightError(f"nothing serves {summary.day}, so there are no lists to order otherwise")
    scores = existing(workspace.scores / "scores.parquet", "score")
    predicted = [name for column in pl.read_parquet_schema(scores) if (name := task_of(column)) is not None]
    chosen = checked_weights(weights, predicted)
    decision = load_decision(workspace.gate)
    folder = workspace.predictions("champion" if decision.winner is None else decision.winner)
    fusion = read_optional(workspace.scores / FUSION_FILE, FusionDocument, "score")
    table = PredictionTable.read(summary.model, [folder / JUDGE_TABLE])
    return OtherWeights(
        summary,
        chosen,
        _tomorrow(scores, predicted, chosen, k or summary.top_k, night),
        _judged(table, chosen, fusion, min(params.evaluation.list_lengths), night),
        table.days,
    )


def _tomorrow(scores: Path, predicted: list[str], weights: Mapping[str, float], k: int, night: Night) -> ListChanges:
    frame = pl.read_parquet(scores)
    values = {name: frame[name].cast(pl.Float64).to_numpy() for name in frame.columns if frame[name].dtype.is_float()}
    worth = {_WATCHED: values["watch_mean"]} | {task(name): values[probability(name)] for name in predicted}
    orders = TwoOrders(values.get("fused", values["score"]), weighted_order(values, weights))
    user_B, tie_B = (_codes(frame[name]) for name in ("user_id", "video_id"))
    return list_changes(user_B, tie_B, [worth], [orders], k, night.params.evaluation)


def _judged(
    table: PredictionTable, weights: Mapping[str, float], fusion: FusionDocument | None, k: int, night: Night
) -> ListChanges:
    config, index = night.params.evaluation, logged_rows(table)
    worth = {_WATCHED: table.y[index]} | {task(name): table.label(name)[index] for name in _LABELS}
    orders = []
    for seed in table.seeds:
        rows = DayLists.of(table, seed, table.tasks, config.seed).take(index)
        predictions = predictions_of(rows)
        now_B = rows.score_B if fusion is None else fusion.fusion(predictions, rows.duration_B)
        orders.append(TwoOrders(now_B, weighted_order(predictions, weights)))
    user_id, video_id, time_ms = (table.frame[name].to_numpy()[index] for name in KEY)
    user_B = np.unique(table.user[index], return_inverse=True)[1].astype(np.int64)
    return list_changes(
        user_B, tie_hash(user_id, video_id, time_ms, config.seed), [worth] * len(orders), orders, k, config
    )


def _codes(column: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the place of every value among all, so that the smaller comes first whether it is a number or a text."""
    return (column.rank("dense").cast(pl.Int64) - 1).to_numpy()


def lines(found: OtherWeights) -> Iterator[str]:
    """Yield what a person reads."""
    weights = ", ".join(f"{name} {weight:g}" for name, weight in found.weights.items())
    yield f"lists of {found.summary.model} for {found.summary.day} under other weights: {weights}"
    yield from _part(f"{found.summary.day}, as the model predicts", found.tomorrow)
    days = ", ".join(found.judge_days)
    yield from _part(f"judge day {days}, as observed, rows that were shown", found.judged)
    yield (
        "note: weights are of the percentile of the watch-time score and of probabilities, each over its standard deviation; "
        "intervals are of users, differences paired. What a model predicts of its own choice flatters it; what was shown was "
        "chosen by another order."
    )


def _part(where: str, found: ListChanges) -> Iterator[str]:
    overlap = f"{number(found.overlap.value, _PERCENT)} {_bounds(found.overlap, _PERCENT)}"
    yield f"  {where}: {plural(found.lists, 'list')}; of the first {found.k} places {overlap} stay"
    for name, change in found.outcomes.items():
        how = _SECONDS if name == _WATCHED else _PERCENT
        now, then = number(change.now.value, how), number(change.then.value, how)
        gain = number(change.difference.value, how, signed=True)
        yield f"    {name}@{found.k}: {now} -> {then} ({gain} {_bounds(change.difference, how, signed=True)})"


def _bounds(found: Interval, how: Measure, signed: bool = False) -> str:
    return interval(found.low, found.high, how, signed)
