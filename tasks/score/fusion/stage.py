"""Fit the fusion of the model that serves, and say what it buys: the part of the score stage that orders lists.

Parameters are found on the validation day and judged on the next one, beside the plain score; the judge day chooses
nothing. They are fitted anew every night, for whatever model serves, so they stand beside the scores and not in the
bundle: a fit then does not depend on what a skip is thought to cost, and an old champion gets the latest day's.

fusion.json holds the fusion that serves, and under `sweep` what others would have done for other costs of a skip.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.core.files import write_json
from tasks.core.predictions import probability
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.document import MeasuredNumber
from tasks.evaluate.estimate import Draw, average, difference
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.evaluate.night import MeasuredNight
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.rows import logged_rows
from tasks.evaluate.stage import rounded
from tasks.evaluate.table import PredictionTable
from tasks.predict import load_model, predict_days
from tasks.score.fusion.config import FusionConfig
from tasks.score.fusion.document import (
    FILE,
    Exposure,
    FusedObjective,
    FusionDays,
    FusionDocument,
    JudgedOrder,
    ListDifference,
    SearchResult,
    SweptFusion,
)
from tasks.score.fusion.fit import FittedFusion, Sign, chosen_signs, fit_fusion
from tasks.score.fusion.lists import DayLists
from tasks.score.fusion.serving import ServingFusion

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class JudgedLists:
    """Lists that fusions are judged on.

    Attributes:
        lists: rows of the judge day.
        parts: exposure -> row numbers: logged and random, where there is enough to order.
        resampler: of their users.
        config: replicates and confidence.
    """

    lists: DayLists
    parts: Mapping[Exposure, IntArray]
    resampler: Resampler
    config: EvaluationConfig

    @classmethod
    def of(cls, table: PredictionTable, lists: DayLists, k: int, config: EvaluationConfig) -> "JudgedLists":
        """Take the rows of a prediction table; a part of it counts where enough rows stand in lists longer than k."""
        parts: dict[Exposure, IntArray] = {
            "logged": np.flatnonzero(table.logged),
            "random": np.flatnonzero(~table.logged),
        }
        enough = {
            name: index
            for name, index in parts.items()
            if _rows_to_order(table.user[index], k) >= config.minimum_segment_rows
        }
        return cls(lists, enough, Resampler(table.num_users, config.replicates, config.seed), config)


def fuse(night: MeasuredNight, bundle: Path, judged: Path, config: FusionConfig, folder: Path) -> ServingFusion:
    """Fit the fusion of one model's serving seed, write `fusion.json` and return the fusion.

    Args:
        night: its validation day fits, its judge day measures.
        bundle: the model that serves.
        judged: its prediction table of the judge day.
        config: what is fitted, and what lists are worth.
        folder: where to write; the validation day's predictions stand there for a while.

    Raises:
        ConfigError: if a task that should enter is not predicted.
    """
    model = load_model(bundle)
    seed = model.serving_seed
    signs = chosen_signs({task: model.sign(task) for task in model.tasks}, config)
    validation = folder / "validation.parquet"
    predict_days(bundle, night.validation, validation, night.threads, [seed])
    fitted_on = _logged_lists(PredictionTable.read(bundle.name, [validation], "validation"), seed, signs, config)
    validation.unlink()
    table = PredictionTable.read(model.manifest.name, [judged])
    tasks = tuple(task for task in signs if task in table.tasks)
    judge = JudgedLists.of(table, DayLists.of(table, seed, tasks, config.seed), config.k, night.evaluation)
    fits = {multiple: fit_fusion(fitted_on, signs, config, multiple * config.skip) for multiple in config.sweep}
    served = fits[1.0]
    if served.utility <= served.plain:
        log.warning(
            "score.fusion: on %s the fused lists are worth %.3f s, those of the watch-time score %.3f s",
            night.days.validation, served.utility, served.plain,
        )  # fmt: skip
    document = FusionDocument(
        model=model.manifest.name,
        seed=seed,
        config=config,
        tasks=tuple(FusedObjective(name=task, sign=sign) for task, sign in signs.items()),
        days=FusionDays(fitted=(night.days.validation.isoformat(),), judged=table.days),
        fitted=_search(served),
        fusion=served.serving,
        exposures=_exposures(judge, fits, config),
    ).as_json()
    write_json(folder / FILE, {**rounded(document), "fusion": document["fusion"]})
    return served.serving


def _logged_lists(table: PredictionTable, seed: int, signs: Mapping[str, Sign], config: FusionConfig) -> DayLists:
    tasks = tuple(task for task in signs if task in table.tasks)
    return DayLists.of(table, seed, tasks, config.seed).take(logged_rows(table))


def _rows_to_order(user_B: IntArray, k: int) -> int:
    """Return how many rows stand in lists longer than k: order changes the head of no other."""
    rows_U = np.bincount(user_B)
    return int(rows_U[rows_U > k].sum())


def _search(fit: FittedFusion) -> SearchResult:
    return SearchResult(utility=fit.utility, plain_utility=fit.plain, trials=fit.trials)


def _exposures(
    judge: JudgedLists, fits: Mapping[float, FittedFusion], config: FusionConfig
) -> dict[Exposure, JudgedOrder]:
    """Return, for every part of the judge day, list metrics of the plain score and of every fusion of the sweep."""
    lists = judge.lists
    rankings = {multiple: fit.serving(predictions_of(lists), lists.duration_B) for multiple, fit in fits.items()}
    orders: dict[Exposure, JudgedOrder] = {}
    for name, index in judge.parts.items():
        rows = lists.take(index)
        plain = judge.resampler.draw(rows.statistics(rows.score_B, config.k))
        sweep = []
        for multiple, fit in fits.items():
            fused = judge.resampler.draw(rows.statistics(rankings[multiple][index], config.k))
            metrics = {metric: _against(judge, fused[metric], plain[metric]) for metric in fused}
            searched = _search(fit).as_json()
            sweep.append(SweptFusion(skip=multiple * config.skip, metrics=metrics, **searched))
        metrics_of_plain = {metric: MeasuredNumber(**_estimate(judge, draw)) for metric, draw in plain.items()}
        orders[name] = JudgedOrder(rows=index.size, plain=metrics_of_plain, sweep=tuple(sweep))
    return orders


def _against(judge: JudgedLists, fused: Draw, plain: Draw) -> ListDifference:
    """Return a list metric of a fusion with its paired difference to the plain score's."""
    gap = difference([fused], [plain], judge.config.confidence)
    return ListDifference(**_estimate(judge, fused), delta=gap.value, delta_low=gap.low, delta_high=gap.high)


def _estimate(judge: JudgedLists, draw: Draw) -> dict[str, float]:
    """Return the value of a metric with its interval."""
    found = average([draw], judge.config.confidence)
    return {"value": found.value, "low": found.low, "high": found.high}


def predictions_of(lists: DayLists) -> dict[str, FloatArray]:
    """Return a day's predictions by the names that `Model.predict` gives them."""
    probabilities = {probability(task): value_B for task, value_B in lists.probability.items()}
    return {"score": lists.score_B, "watch_mean": lists.mean_B, **probabilities}
