"""Lists: an ideal cut to the hits, and a length that nobody computed (docs/methods/metrics.md#traps)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.retrieval.watched import NONE
from tasks.candidates.audience import Audience, Later
from tasks.candidates.measure import Proposed, statistics
from tasks.candidates.measure import ndcg as proposed_ndcg
from tasks.candidates.proposers.metric import Metric
from tasks.candidates.top_k import Scores
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.evaluation import UnknownMetric, measure
from tasks.evaluate.metrics import lists as at_k
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.ranked_lists import RankedLists, rank_lists
from tasks.table.watches import Watches
from tests.evaluate.conftest import make_table
from tests.traps.twins import tells_apart

EMPTY = np.empty(0, np.int64)
CONFIG = EvaluationConfig(replicates=100, list_lengths=(3, 10), segments=())


def later_of(watched: list[list[int]]) -> Later:
    """Return what users watched, none of whom was shown anything before."""
    users = np.arange(len(watched))
    audience = Audience(users, users, np.zeros(len(watched) + 1, np.int64), EMPTY)
    row = np.repeat(users, [len(videos) for videos in watched])
    return Later(audience, row, np.array([video for videos in watched for video in videos]), 0)


def test_trap_1_the_ideal_list_is_not_cut_to_the_hits() -> None:
    """Positives a, b, c; the list x, a, y, b. Judged rows end with c below it; proposals leave it out."""

    def cut_to_the_hits(hit_K: list[int]) -> float:
        discount_K = 1 / np.log2(np.arange(2, 2 + len(hit_K)))
        return float(np.dot(hit_K, discount_K) / discount_K[: sum(hit_K)].sum())

    def check(value: float) -> None:
        assert value == pytest.approx(0.4982, abs=5e-5)

    shown = rank_lists(Groups(np.zeros(5, dtype=np.int64), 1), np.array([5.0, 4.0, 3.0, 2.0, 1.0]), np.zeros(5))
    a, b, c, x, y = range(5)
    proposed = Proposed(np.array([[x, a, y, b]]), later_of([[a, b, c]]))
    inflated = cut_to_the_hits([0, 1, 0, 1])
    assert inflated == pytest.approx(0.6509, abs=5e-5)
    tells_apart(check, at_k.ndcg_at_k(shown, np.array([0, 1, 0, 1, 1]), 4).value, inflated)
    tells_apart(check, proposed_ndcg(proposed), inflated)


def test_trap_3_a_length_that_was_not_computed_is_no_zero(tmp_path: Path) -> None:
    path = tmp_path / "judge.parquet"
    make_table(rows=600, users=60).write_parquet(path)
    found = measure(path, CONFIG, name="model")

    def of_the_product(name: str) -> float:
        return found.metric(name).value

    def zero_where_there_is_none(name: str) -> float:
        return found.metrics[name].value if name in found.metrics else 0.0

    def check(value_of: Callable[[str], float]) -> None:
        assert 0 < value_of("ndcg_long_view@10") < 1
        try:
            answer = value_of("ndcg_long_view@5")
        except UnknownMetric as error:
            assert "'ndcg_long_view@5' was not computed" in str(error)
        else:
            assert np.isnan(answer)

    tells_apart(check, of_the_product, zero_where_there_is_none)


def test_trap_3_a_length_that_no_list_has_is_no_zero() -> None:
    """Sums over the top k count users with more rows than k; where there are none, nothing was measured."""
    ranked = rank_lists(Groups(np.array([0, 0, 1]), 2), np.array([3.0, 2.0, 1.0]), np.zeros(3))

    def check(metric: Callable[[RankedLists, np.ndarray, int], float]) -> None:
        assert np.isnan(metric(ranked, np.ones(3), 2))

    def zero_of_nobody(of: RankedLists, label_B: np.ndarray, k: int) -> float:
        return float(np.nan_to_num(at_k.sum_at_k(of, label_B, k).value))

    for metric in (at_k.sum_at_k, at_k.bounce_count_at_k, at_k.wtg_at_k, at_k.dcg_wtg_at_k, at_k.ndcg_wtg_at_k):
        tells_apart(check, lambda *of, metric=metric: metric(*of).value, zero_of_nobody)
    for metric in (at_k.ndcg_at_k, at_k.recall_at_k, at_k.mean_at_k, at_k.sum_at_k, at_k.wtg_at_k, at_k.dcg_wtg_at_k):
        with pytest.raises(ValueError, match="k is 0, allowed is 1 or more"):
            metric(ranked, np.ones(3), 0)


def test_trap_12_a_recall_counts_what_nobody_could_propose() -> None:
    """Of the first user's four watches three are of videos that the fit days do not know."""
    watches = Watches(EMPTY, EMPTY, EMPTY, user_id_U=np.arange(2), video_id_V=np.arange(8))
    watched = [[1, NONE, NONE, NONE], [5]]
    warm = [[video for video in videos if video != NONE] for videos in watched]
    lists_NK = np.array([[1, 2], [5, NONE]])

    def check(later: Later) -> None:
        recall = statistics(Proposed(lists_NK, later), watches, head=2)["proposed_recall@2"]
        assert recall.value == pytest.approx((1 / 4 + 1) / 2)

    tells_apart(check, later_of(watched), later_of(warm))


def test_trap_12_a_recall_ranks_the_whole_catalogue() -> None:
    """Chance finds one of 100 videos in 10 places one time in ten; beside 19 sampled negatives every other time."""
    random, users, videos, k = np.random.default_rng(0), 1_000, 100, 10
    watched_N = random.integers(0, videos, users)
    vectors = [random.normal(size=(count, 8)).astype(np.float32) for count in (users, videos)]
    later = later_of([[int(video)] for video in watched_N])
    watches = Watches(EMPTY, EMPTY, EMPTY, user_id_U=np.arange(users), video_id_V=np.arange(videos))

    class AmongSampled(Metric):
        """Scores what was watched and 19 others, and nothing else."""

        def scores(self, audience: Audience) -> Scores:
            score_NV = super().scores(audience)
            negative = random.random(score_NV.shape).argsort(axis=1) < 19
            negative[np.arange(len(audience)), watched_N[audience.user_N]] = True
            return np.where(negative, score_NV, -np.inf).astype(np.float32)

    def check(proposer: Metric) -> None:
        proposed = Proposed(proposer.propose(later.audience, k), later)
        recall = statistics(proposed, watches, head=2)[f"proposed_recall@{k}"].value
        assert recall == pytest.approx(k / videos, abs=0.03)

    tells_apart(check, Metric(*vectors), AmongSampled(*vectors))
