"""Fit a fusion on one day's lists. The judge day has no part in it.

Shapes: B rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from models.fusion import SEARCHED
from models.fusion.base import MAX_PARAMETERS, WATCH_TIME, Fusion, Scores
from models.fusion.monotone import MonotoneFusion
from models.fusion.rank_additive import reference_curves
from models.fusion.rank_average import ReferenceScores
from models.fusion.search import search
from models.fusion.watch import PercentileInput, RelativeMeanInput
from tasks.core.errors import ConfigError
from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.role import refuse_judge
from tasks.score.fusion.config import AdditiveConfig, FusionConfig, MonotoneConfig, RankAdditiveConfig, SearchedConfig
from tasks.score.fusion.lists import DayLists
from tasks.score.fusion.serving import ServingFusion

Sign = Literal[-1, 1]


@dataclass(frozen=True)
class FittedFusion:
    """What a fit found.

    Attributes:
        serving: the fusion.
        utility: of its lists on the day it was fitted on.
        plain: utility of the lists that the watch-time score orders.
        trials: rankings tried; 0 where nothing is searched.
    """

    serving: ServingFusion
    utility: float
    plain: float
    trials: int


def chosen_signs(predicted: Mapping[str, int], config: FusionConfig) -> dict[str, Sign]:
    """Return the tasks that enter with their signs, watch time first.

    Args:
        predicted: binary task that the model predicts -> its sign.
        config: which of them enter.

    Raises:
        ConfigError: if a task that is asked for is not predicted, or there are more than a search can carry.
    """
    tasks = tuple(predicted) if config.tasks is None else config.tasks
    unknown = [task for task in tasks if task not in predicted]
    if unknown:
        raise ConfigError(
            f"params.yaml: score.fusion.tasks: the model that serves does not predict {', '.join(unknown)} "
            f"(it predicts {', '.join(predicted) or 'no binary task'})"
        )
    if isinstance(config, SearchedConfig) and 1 + len(tasks) > MAX_PARAMETERS:
        raise ConfigError(
            f"params.yaml: score.fusion.tasks: {len(tasks)} binary tasks are too many to search for ({', '.join(tasks)}); "
            f"name at most {MAX_PARAMETERS - 1}"
        )
    signs: dict[str, Sign] = {WATCH_TIME: 1}
    return signs | {task: 1 if predicted[task] > 0 else -1 for task in tasks}


def fit_fusion(lists: DayLists, signs: Mapping[str, Sign], config: FusionConfig, skip: float) -> FittedFusion:
    """Fit a fusion on the lists of one day.

    Args:
        lists: rows of the validation day.
        signs: what `chosen_signs` returned.
        config: what is fitted, how, and the worth of a long view.
        skip: what a skip costs, seconds.

    Raises:
        RoleError: if rows of the judge day are given.
    """
    refuse_judge(lists.role, "a fusion")
    watch = _watch_input(lists, config)
    seen = lists.some_users(config.search_rows, config.seed)
    scores: dict[str, FloatArray] = {
        task: watch(seen.score_B, seen.mean_B, seen.duration_B) if task == WATCH_TIME else seen.probability[task]
        for task in signs
    }
    worth_B = seen.worth(config, skip)
    rule, trials = _rule(seen, scores, worth_B, signs, config)
    utility = float(seen.utilities(rule(scores), worth_B, config.k).mean())
    plain = float(seen.utilities(seen.score_B, worth_B, config.k).mean())
    return FittedFusion(ServingFusion(watch=watch, rule=rule), utility, plain, trials)


def cautious_gain(fused_U: FloatArray, plain_U: FloatArray, caution: float) -> float:
    """Return the mean gain of a user's list, less so many of its standard errors, paired by user.

    Our reading of the search in docs/methods/multi_task.md#score-fusion: seconds watched have heavy tails, and the best
    of hundreds of rankings of one day is partly luck. A gain counts as far as users agree on it; the plain score itself
    gains 0.
    """
    gain_U = fused_U - plain_U
    if len(gain_U) < 2:
        return float(gain_U.mean())
    return float(gain_U.mean() - caution * gain_U.std(ddof=1) / np.sqrt(len(gain_U)))


def _watch_input(lists: DayLists, config: FusionConfig) -> PercentileInput | RelativeMeanInput:
    if config.watch == "percentile":
        return PercentileInput(reference=ReferenceScores.fit(lists.score_B))
    return RelativeMeanInput.fit(lists.mean_B, lists.duration_B, config.duration_groups)


def _rule(
    lists: DayLists, scores: Scores, worth_B: FloatArray, signs: Mapping[str, Sign], config: FusionConfig
) -> tuple[Any, int]:
    """Return the fitted rule and how many rankings were tried for it."""
    if isinstance(config, MonotoneConfig):
        return MonotoneFusion.fit(signs, scores, worth_B, lists.users.code_B), 0
    assert isinstance(config, SearchedConfig)
    family = SEARCHED[config.kind]
    options = _options(signs, scores, config)

    def at(point: FloatArray) -> Fusion:
        return family.at(point, signs, scores, **options)

    plain_U = lists.utilities(lists.score_B, worth_B, config.k)

    def gain(point: FloatArray) -> float:
        return cautious_gain(lists.utilities(at(point)(scores), worth_B, config.k), plain_U, config.caution)

    found = search(
        gain,
        family.num_parameters(len(signs)),
        config.trials,
        config.seed,
    )
    return at(found.point), found.trials


def _options(signs: Mapping[str, Sign], scores: Scores, config: SearchedConfig) -> dict[str, Any]:
    if isinstance(config, AdditiveConfig):
        return {"space": config.space}
    if isinstance(config, RankAdditiveConfig):
        return {"references": reference_curves(signs, scores)}
    return {}
