"""What lists would be under other weights of the objectives: how many places change, and what the change is worth.

Source: docs/methods/multi_task.md#lists-under-other-weights.

Shapes: B rows, U users.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.fusion.additive import AdditiveFusion
from models.fusion.base import WATCH_TIME
from models.fusion.rank_average import ReferenceScores
from tasks.core.errors import ConfigError
from tasks.core.predictions import probability
from tasks.core.yaml_config import nearest
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw, average, difference
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import Array, FloatArray
from tasks.evaluate.metrics.lists import mean_at_k
from tasks.evaluate.metrics.ranked_lists import RankedLists, rank_lists
from tasks.evaluate.metrics.uncertainty import Interval, Statistic
from tasks.evaluate.metrics.user_statistics import UserSums
from tasks.evaluate.resampling import Resampler

OVERLAP = "overlap"


@dataclass(frozen=True)
class OutcomeChange:
    """One outcome of the first k of all lists.

    Attributes:
        now: under the order that serves.
        then: under the other weights.
        difference: then - now, paired by user.
    """

    now: Interval
    then: Interval
    difference: Interval


@dataclass(frozen=True)
class ListChanges:
    """Two orders of the same lists.

    Attributes:
        lists: how many there are.
        k: places looked at.
        overlap: share of the first k places that both orders fill with the same videos.
        outcomes: name -> what the first k are worth under both.
    """

    lists: int
    k: int
    overlap: Interval
    outcomes: Mapping[str, OutcomeChange]


def checked_weights(weights: Mapping[str, float], predicted: Sequence[str]) -> dict[str, float]:
    """Return weights that are not 0, watch time's 1 unless it is given.

    Args:
        weights: objective -> weight; below 0 where it is unwanted.
        predicted: binary tasks that the model predicts.

    Raises:
        ConfigError: if an objective is not predicted, a weight is not finite, or all are 0.
    """
    for name, weight in weights.items():
        if name not in (WATCH_TIME, *predicted):
            raise ConfigError(f"{name!r} is no objective of these scores{nearest(name, (WATCH_TIME, *predicted))}")
        if not np.isfinite(weight):
            raise ConfigError(f"the weight of {name} is {weight}: write a number")
    found = {name: weight for name, weight in ({WATCH_TIME: 1.0} | dict(weights)).items() if weight != 0}
    if not found:
        raise ConfigError("every weight is 0: nothing would order the lists")
    return found


def weighted_order(predictions: Mapping[str, FloatArray], weights: Mapping[str, float]) -> FloatArray:
    """Return the fused scores of rows under weights, [B].

    The percentile of the ranking score among these rows and the probabilities, each over its standard deviation here.

    Args:
        predictions: `score` and `p_<task>`, [B] each.
        weights: what `checked_weights` returned.
    """
    scores = {
        name: ReferenceScores.fit(predictions["score"])(predictions["score"])
        if name == WATCH_TIME
        else predictions[probability(name)]
        for name in weights
    }
    rule = AdditiveFusion(
        signs={name: 1 if weight > 0 else -1 for name, weight in weights.items()},
        space="linear",
        offset=1.0,
        weights={name: abs(weight) for name, weight in weights.items()},
        scales={name: float(values.std()) or 1.0 for name, values in scores.items()},
    )
    return rule(scores)


@dataclass(frozen=True, eq=False)
class TwoOrders:
    """The rows of lists under the order that serves and under another, of one seed.

    Attributes:
        now_B: what orders them now.
        then_B: what would.
    """

    now_B: FloatArray
    then_B: FloatArray


def list_changes(
    user_B: NDArray[np.int64],
    tie_B: Array,
    outcomes: Sequence[Mapping[str, Array]],
    orders: Sequence[TwoOrders],
    k: int,
    config: EvaluationConfig,
) -> ListChanges:
    """Compare the first k places of every user's list under two orders.

    Args:
        user_B: code 0 .. U-1 of every row's user.
        tie_B: ascending order of rows with equal scores.
        outcomes: name -> what a row is worth, seconds or 0 to 1, per seed; what was observed is the same for all seeds.
        orders: per seed; all are averaged.
        k: places.
        config: how uncertainty is drawn.

    Raises:
        ConfigError: if k is below 1.
    """
    if k < 1:
        raise ConfigError(f"lists have at least one place, not {k}")
    users = Groups(user_B, int(user_B.max()) + 1)
    resampler = Resampler(users.num_groups, config.replicates, config.seed)
    now, then = list[dict[str, Draw]](), list[dict[str, Draw]]()
    for order, worth in zip(orders, outcomes, strict=True):
        ranked = [rank_lists(users, values_B, tie_B) for values_B in (order.now_B, order.then_B)]
        shared: dict[str, Statistic] = {OVERLAP: _overlap(ranked[0], ranked[1], k)}
        now.append(resampler.draw({name: mean_at_k(ranked[0], value_B, k) for name, value_B in worth.items()}))
        then.append(
            resampler.draw(shared | {name: mean_at_k(ranked[1], value_B, k) for name, value_B in worth.items()})
        )
    level = config.confidence

    def changed(name: str) -> OutcomeChange:
        before, after = [draws[name] for draws in now], [draws[name] for draws in then]
        return OutcomeChange(average(before, level), average(after, level), difference(after, before, level))

    overlap = average([draws[OVERLAP] for draws in then], level)
    return ListChanges(users.num_groups, k, overlap, {name: changed(name) for name in outcomes[0]})


def _overlap(now: RankedLists, then: RankedLists, k: int) -> UserSums:
    """Return the share of the first min(k, list length) places that both orders fill with the same rows, mean over users."""
    both_U = now.users.sum((now.rank_B <= k) & (then.rank_B <= k))
    listed_U = (now.rows_U > 0).astype(np.float64)
    share_U = both_U / np.maximum(np.minimum(now.rows_U, k), 1)
    return UserSums(share_U * listed_U, listed_U, int(now.rows_U.sum()), int(listed_U.sum()))
