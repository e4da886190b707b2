"""The metric of TechJam 2026, track 2: GAUC weighted by positives, nDCG@5 with ties in file order, and their mean.

Source: docs/methods/metrics.md#public-protocols.

Shapes: B rows, U users, R resamples.
"""

import math

import numpy as np

from benchmarks.kuairand_techjam.rows import TaskRows
from benchmarks.pairs.scoring import Estimate, Scores, resampled
from tasks.evaluate.metrics.classification import gauc
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.metrics.lists import ndcg_at_k
from tasks.evaluate.metrics.ranked_lists import rank_lists
from tasks.evaluate.metrics.uncertainty import user_bootstrap_weights
from tasks.evaluate.metrics.user_statistics import UserSums

TOP = 5
METRICS = ("gauc", f"ndcg@{TOP}", "primary")
NO_USER = 0.5
"""GAUC where no user has both classes."""


def statistics(label_B: FloatArray, score_B: FloatArray, users: Groups) -> tuple[UserSums, UserSums]:
    """Return GAUC and nDCG@5 by user; GAUC is NaN where no user has both classes.

    Args:
        label_B: [B] 0/1 long views.
        score_B: [B] finite scores.
        users: user of each row; rows stand in file order.

    Raises:
        ValueError: if a score is not finite, or there is not one per row.
    """
    # The published sort is stable: among equal scores the row that stands first in the file ranks first.
    lists = rank_lists(users, score_B, np.arange(score_B.size))
    return gauc(label_B, score_B, users, weight="positives"), ndcg_at_k(lists, label_B, TOP, "zero")


def primary(rows: TaskRows, score_B: FloatArray) -> float:
    """Return the mean of both: what valid selects by."""
    ranked, top = statistics(rows.label_B, score_B, rows.users)
    return (_or_no_user(ranked.value) + top.value) / 2


class TaskJudge:
    """Scores predictions for the rows of one part, with resamples of users.

    Args:
        rows: all rows, in file order.
        replicates: resamples.
        seed: of the resamples.
    """

    def __init__(self, rows: TaskRows, replicates: int = 1000, seed: int = 0) -> None:
        self._rows = rows
        self._weights_RU = user_bootstrap_weights(rows.users.num_groups, replicates, seed=seed)

    def scores(self, score_B: FloatArray) -> Scores:
        """Return the three metrics of one fit."""
        ranked, top = (
            resampled(statistic, self._weights_RU)
            for statistic in statistics(self._rows.label_B, score_B, self._rows.users)
        )
        value, value_R = _or_no_user(ranked.value), np.nan_to_num(ranked.resampled_R, nan=NO_USER)
        mean = (value + top.value) / 2
        both = Estimate(mean, (value_R + top.resampled_R) / 2, (mean,))
        return dict(zip(METRICS, (Estimate(value, value_R, (value,)), top, both), strict=True))


def expected_random(rows: TaskRows) -> dict[str, float]:
    """Return the metrics that random scores have in expectation, in closed form.

    Every rank of a user holds a positive with the user's share of positives, so that E nDCG@5 is that share times the sum of the
    discounts of the first 5 ranks over that of the first 5 positives.
    """
    users = rows.users
    rows_U, positives_U = users.rows(), users.sum(rows.label_B).astype(np.int64)
    gained = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, TOP + 2)))])
    best_U = gained[np.minimum(positives_U, TOP)]
    expected_U = positives_U / rows_U * gained[np.minimum(rows_U, TOP)]
    ndcg = float(np.divide(expected_U, best_U, out=np.zeros(rows_U.size), where=positives_U > 0).mean())
    return dict(zip(METRICS, (NO_USER, ndcg, (NO_USER + ndcg) / 2), strict=True))


def _or_no_user(value: float) -> float:
    return NO_USER if math.isnan(value) else value
