"""Metrics of proposals against loops over users, and the bootstrap of Gini."""

import numpy as np
import pytest

from models.retrieval.watched import NONE
from tasks.candidates.audience import Audience, Later
from tasks.candidates.measure import Proposed, coverage, estimates, gini, statistics
from tasks.core.errors import TrainingError
from tasks.evaluate.catalogue import metric
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.resampling import Resampler
from tasks.table.watches import Watches

EMPTY = np.empty(0, np.int64)


def later_of(watched: list[list[int]], user_N: list[int] | None = None) -> Later:
    codes = np.arange(len(watched)) if user_N is None else np.array(user_N)
    audience = Audience(np.arange(len(watched)), codes, np.zeros(len(watched) + 1, np.int64), EMPTY)
    row = np.repeat(np.arange(len(watched)), [len(videos) for videos in watched])
    return Later(audience, row, np.array([video for videos in watched for video in videos]), 0)


def test_what_nobody_could_propose_counts_as_missed() -> None:
    proposed = Proposed(np.array([[1, 2], [5, NONE]]), later_of([[1, NONE, NONE, NONE], [5]]))
    watches = small_watches(8)
    found = statistics(proposed, watches, head=2)
    assert found["proposed_recall@2"].value == pytest.approx((1 / 4 + 1) / 2)
    assert found["proposed_ceiling@2"].value == pytest.approx((1 / 4 + 1) / 2)
    assert found["proposed_tail_recall@2"].value == pytest.approx((0 + 1) / 2), "unknown videos are of the tail"


def small_watches(videos: int) -> Watches:
    return Watches(EMPTY, EMPTY, EMPTY, user_id_U=np.arange(4), video_id_V=np.arange(videos))


def test_every_metric_is_what_a_loop_over_users_gives() -> None:
    random, users, videos, k, head = np.random.default_rng(0), 60, 25, 6, 5
    lists = [random.permutation(videos)[:k].tolist() for _ in range(users)]
    for user in range(0, users, 7):
        lists[user][-2:] = [NONE, NONE]
    watched = [random.permutation(np.arange(-1, videos))[: random.integers(1, 9)].tolist() for _ in range(users)]
    new = [NONE if user % 3 == 0 else user for user in range(users)]
    found = statistics(Proposed(np.array(lists), later_of(watched, new)), small_watches(videos), head)

    recalls, tails, news, ndcgs, ceilings = [], [], [], [], []
    for user in range(users):
        mine, theirs = [v for v in lists[user] if v != NONE], watched[user]
        recalls.append(len(set(mine) & set(theirs)) / len(theirs))
        if tail := [v for v in theirs if v >= head or v == NONE]:
            tails.append(len(set(mine) & set(tail)) / len(tail))
        if new[user] == NONE:
            news.append(recalls[-1])
        dcg = sum(1 / np.log2(place + 2) for place, video in enumerate(mine) if video in theirs)
        ndcgs.append(dcg / sum(1 / np.log2(place + 2) for place in range(min(k, len(theirs)))))
        ceilings.append(min(k, len(set(theirs) - {NONE})) / len(theirs))
    for name, by_hand in (
        ("recall", recalls), ("tail_recall", tails), ("new_user_recall", news), ("ndcg", ndcgs), ("ceiling", ceilings)
    ):  # fmt: skip
        assert found[f"proposed_{name}@{k}"].value == pytest.approx(np.mean(by_hand)), name


def test_some_users_keep_what_they_watched_and_what_they_were_shown() -> None:
    random, watches = np.random.default_rng(4), small_watches(20)
    user_id, video_id = random.integers(0, 30, 200), random.integers(0, 20, 200)
    whole = later_of([random.permutation(20)[:3].tolist() for _ in range(30)])
    later = Later(Audience.of(watches, np.arange(30), user_id, video_id), whole.row_P, whole.video_P, 7)
    some = later.of_some(8)
    assert len(some.audience) == 8 and later.of_some(30) is later
    for place, user in enumerate(some.audience.user_id_N):
        shown = set(some.audience.shown[some.audience.shown_row == place].tolist())
        assert shown == set(video_id[user_id == user].tolist())
        assert some.video_P[some.row_P == place].tolist() == later.video_P[later.row_P == user].tolist()


def test_gini_and_coverage_are_those_of_the_counts() -> None:
    random = np.random.default_rng(1)
    lists = np.array([random.choice(30, 5, replace=False, p=np.arange(30) / 435) for _ in range(40)])
    counts = np.bincount(lists.ravel(), minlength=30)
    pairs = np.abs(counts[:, None] - counts).sum() / (2 * 30 * counts.sum())
    assert gini(lists, 30).value == pytest.approx(pairs)
    assert gini(np.tile([0, 1], (9, 1)), 2).value == 0
    assert coverage(lists, 30).value == (counts > 0).mean()


def test_the_error_of_gini_is_that_of_drawing_users_anew() -> None:
    random = np.random.default_rng(2)
    weights = random.dirichlet(np.ones(40))
    groups = [random.choice(40, 8, replace=False, p=weights) for _ in range(300)]
    lists = np.array(groups)
    drawn = Resampler(300, 400, 0).draw({"gini": gini(lists, 40)})["gini"].replicate_R
    anew = [gini(lists[random.integers(0, 300, 300)], 40).value for _ in range(400)]
    assert drawn is not None
    assert np.std(drawn) == pytest.approx(np.std(anew), rel=0.2)


def test_estimates_hold_their_value_and_their_direction() -> None:
    random = np.random.default_rng(3)
    lists = np.array([random.permutation(20)[:4] for _ in range(50)])
    proposed = Proposed(lists, later_of([random.permutation(20)[:3].tolist() for _ in range(50)]))
    found = estimates(statistics(proposed, small_watches(20), 4), 50, EvaluationConfig(replicates=200))
    for name, estimate in found.items():
        assert estimate.higher_is_better == metric(name).higher_is_better
        if "new_user" in name:
            assert np.isnan(estimate.value), "there is no new user"
        elif "ceiling" not in name and "coverage" not in name:
            assert estimate.low < estimate.value < estimate.high
    assert (metric("proposed_gini@4").higher_is_better, metric("proposed_recall@4").label) == (False, "Recall@4")


def test_codes_follow_popularity_and_only_what_can_be_scored_is_in_the_catalogue() -> None:
    user, video = np.array([5, 5, 6, 7, 7, 5, 6]), np.array([30, 10, 10, 20, 30, 40, 30])
    watched = np.array([1, 1, 0, 1, 1, 1, 1], dtype=bool)
    time = np.array([9, 8, 7, 6, 5, 4, 3])
    watches = Watches.of(user, video, watched, time, np.array([10, 20, 30, 50]))
    assert watches.time_P.tolist() == [9, 8, 3, 5, 6]
    assert watches.video_id_V.tolist() == [30, 10, 20]
    assert watches.watchers.tolist() == [3, 1, 1]
    assert watches.videos(np.array([10, 20, 30, 40, 50])).tolist() == [1, 2, 0, NONE, NONE]
    assert watches.users(np.array([4, 5, 7])).tolist() == [NONE, 0, 2]
    audience = Audience.of(watches, np.array([4, 7]), user, video)
    assert audience.shown_row.tolist() == [1, 1] and audience.shown.tolist() == [0, 2]
    assert audience.part(1, 2).shown.tolist() == [0, 2] and audience.part(0, 1).shown.size == 0
    with pytest.raises(TrainingError, match=r"nothing was watched on the fit days: choose another candidates\.watched"):
        Watches.of(user, video, np.zeros(7, dtype=bool), time, np.array([10]))
    with pytest.raises(TrainingError, match="no video of the fit days has a known duration"):
        Watches.of(user, video, watched, time, np.array([99]))
