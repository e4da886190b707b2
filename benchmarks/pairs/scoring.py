"""The metrics of one variant of the protocol, each with its bootstrap over users.

Source: docs/methods/debias.md#coat-protocol.

Shape legend: B test rows, U users, I items, R resamples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.pairs.data import FloatArray, PairData
from benchmarks.pairs.splits import Variant, judged_rows
from benchmarks.pairs.unbiased_recall import unbiased_recall
from tasks.evaluate.metrics.calibration import ece
from tasks.evaluate.metrics.classification import auc_influence, gauc, logloss
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.lists import mean_at_k, ndcg_at_k, recall_at_k
from tasks.evaluate.metrics.point import row_ratio
from tasks.evaluate.metrics.ranked_lists import RankedLists, rank_lists, tie_hash
from tasks.evaluate.metrics.uncertainty import Statistic, Weights, user_bootstrap_weights
from tasks.evaluate.metrics.user_statistics import UserInfluence, UserSums

RANKING = ("auc", "user_auc", "ndcg@5", "ndcg@10", "recall@5", "recall@10", "f1@5", "f1@10", "ure@10")
PROBABILITY = ("log_loss", "brier", "ece", "mean_prediction")
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "ece"})
_LENGTHS = (5, 10)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A metric and its values under resampled users.

    Attributes:
        value: the metric, the mean over the fits where there are several.
        resampled_R: [R] the same under the user weights of each resample, which are the same for every method.
        per_fit: the value of each fit.
    """

    value: float
    resampled_R: FloatArray
    per_fit: tuple[float, ...]

    def interval(self) -> tuple[float, float]:
        """Return the 95 % percentile interval."""
        low, high = np.percentile(self.resampled_R, [2.5, 97.5])
        return float(low), float(high)

    @property
    def fit_sd(self) -> float | None:
        """Standard deviation between fits, None for fewer than two."""
        return float(np.std(self.per_fit, ddof=1)) if len(self.per_fit) > 1 else None

    def minus(self, other: "Estimate") -> "Estimate":
        """Return the paired difference."""
        return Estimate(self.value - other.value, self.resampled_R - other.resampled_R, ())


Scores = Mapping[str, Estimate]


class Judge:
    """Scores predictions for every pair on the test rows of one variant.

    K of the top-K metrics must be below the list length: a user with fewer rows than K is an error.

    Args:
        data: the catalogue.
        variant: rows and conventions.
        replicates: resamples of users.
        seed: of the resamples and of the order of ties.

    Raises:
        LeakedPairs: if the data gate trips.
        ValueError: if a user's list is not longer than the largest K.
    """

    def __init__(self, data: PairData, variant: Variant, replicates: int = 1000, seed: int = 0) -> None:
        self._data, self.variant, self.seed = data, variant, seed
        self.rows = judged_rows(data, variant)
        self.label_B = data.liked(self.rows)
        self.users = Groups(self.rows.user_B, data.num_users)
        length_U = self.users.rows()
        if length_U[length_U > 0].min() <= max(_LENGTHS):
            raise ValueError(f"the shortest test list has {length_U[length_U > 0].min()} rows; K is {max(_LENGTHS)}")
        self._weights_RU = user_bootstrap_weights(data.num_users, replicates, seed=seed)

    def ranking(self, score_UI: FloatArray, tie_orders: int = 1) -> Scores:
        """Return the metrics of an order.

        Args:
            score_UI: [U, I] scores; only their order counts.
            tie_orders: random orders of tied scores to average over.
        """
        score_B = score_UI[self.rows.user_B, self.rows.item_B]
        scores = {
            "auc": self._estimate(auc_influence(self.label_B, score_B, self.users)),
            "user_auc": self._estimate(gauc(self.label_B, score_B, self.users, weight="equal")),
        }
        orders = [self._lists(score_B, order) for order in range(tie_orders)]
        for k in _LENGTHS:
            tops = [self._top(lists, k) for lists in orders]
            scores |= {name: _mean_value([top[name] for top in tops]) for name in tops[0]}
        return scores | {"ure@10": self._estimate(self._unbiased_recall(score_UI, 10))}

    def probabilities(self, probability_UI: FloatArray) -> Scores:
        """Return the metrics of probabilities, over all rows of the variant."""
        probability_B = probability_UI[self.rows.user_B, self.rows.item_B]
        ones_B = np.ones(len(self.rows))
        return {
            "log_loss": self._estimate(logloss(self.label_B, probability_B, self.users)),
            "brier": self._estimate(row_ratio(np.square(probability_B - self.label_B), ones_B, self.users)),
            "ece": self._estimate(ece(self.label_B, probability_B, self.users)),
            "mean_prediction": self._estimate(row_ratio(probability_B, ones_B, self.users)),
        }

    def _unbiased_recall(self, score_UI: FloatArray, k: int) -> UserSums:
        """Return Recall@k over the catalogue. Test items were drawn from all of it, so no test row may be left out here."""
        rows, label_B = self._data.test, self._data.liked(self._data.test).astype(np.int64)
        return unbiased_recall(score_UI, rows.user_B, rows.item_B, label_B, k, self.seed).macro

    def _lists(self, score_B: FloatArray, order: int) -> RankedLists:
        nothing_B = np.zeros(len(self.rows), dtype=np.int64)
        tie_B = tie_hash(self.rows.user_B, self.rows.item_B, nothing_B, self.seed + order)
        return rank_lists(self.users, score_B, tie_B)

    def _top(self, lists: RankedLists, k: int) -> Scores:
        """Return NDCG, recall and F1 at k."""
        excluded = self.variant.without_positives == "excluded"
        positives_U = self.users.sum(self.label_B)
        precision = mean_at_k(lists, self.label_B, k)
        recall = recall_at_k(lists, self.label_B, k)
        if excluded:
            used_U = (positives_U > 0).astype(np.float64)
            precision = UserSums(precision.numerator_U * used_U, used_U, precision.num_rows, int(used_U.sum()))
        else:
            shown_U = (self.users.rows() > 0).astype(np.float64)
            recall = UserSums(recall.numerator_U, shown_U, recall.num_rows, int(shown_U.sum()))
        ndcg = ndcg_at_k(lists, self.label_B, k, "excluded" if excluded else "one")
        hits, found = self._estimate(precision), self._estimate(recall)
        f1_R = _harmonic(hits.resampled_R, found.resampled_R)
        f1 = float(_harmonic(np.array(hits.value), np.array(found.value)))
        return {
            f"ndcg@{k}": self._estimate(ndcg),
            f"recall@{k}": found,
            f"f1@{k}": Estimate(f1, f1_R, (f1,)),
        }

    def _estimate(self, statistic: Statistic) -> Estimate:
        return resampled(statistic, self._weights_RU)


def resampled(statistic: Statistic, weights_RU: Weights) -> Estimate:
    """Return a metric of one fit with its value in every resample of users.

    Args:
        statistic: the metric, by user.
        weights_RU: how often each resample draws each user.
    """
    if isinstance(statistic, UserInfluence):
        # First order: a resample moves the metric by the influences of the users drawn more or less than once.
        value_R = statistic.value + (weights_RU - 1.0) @ statistic.psi_U
    else:
        value_R = statistic.replicates(weights_RU)
    return Estimate(statistic.value, value_R, (statistic.value,))


def over_fits(scores: Sequence[Scores]) -> Scores:
    """Return the mean over fits of every metric, resample by resample."""
    return {name: _mean([score[name] for score in scores]) for name in scores[0]}


def _mean(estimates: Sequence[Estimate]) -> Estimate:
    values = tuple(estimate.value for estimate in estimates)
    return Estimate(float(np.mean(values)), np.mean([e.resampled_R for e in estimates], axis=0), values)


def _mean_value(estimates: Sequence[Estimate]) -> Estimate:
    """Return the mean over tie orders of one fit."""
    mean = _mean(estimates)
    return Estimate(mean.value, mean.resampled_R, (mean.value,))


def _harmonic(a: FloatArray, b: FloatArray) -> FloatArray:
    total = a + b
    return np.where(total > 0, 2 * a * b / np.where(total > 0, total, 1.0), 0.0)
