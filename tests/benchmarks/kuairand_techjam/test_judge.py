"""The public metric against a twin written from the specification alone, closed forms and published constants."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.kuairand_techjam.judge import TaskJudge, expected_random, primary, statistics
from benchmarks.kuairand_techjam.ladder import LADDER
from benchmarks.kuairand_techjam.rows import DAYS_AT_HAND, TaskRows, read
from tasks.evaluate.metrics.inputs import FloatArray


def task_rows(user_B: FloatArray, label_B: FloatArray) -> TaskRows:
    return TaskRows.of(pl.DataFrame({"user_id": user_B, "long_view": label_B}))


def twin(user_B: FloatArray, label_B: FloatArray, score_B: FloatArray) -> tuple[float, float, float]:
    """Return GAUC, nDCG@5 and primary, user by user and pair by pair."""
    weighted, weights, gains = 0.0, 0.0, []
    for user in dict.fromkeys(user_B.tolist()):
        mine = [(score, label) for of, label, score in zip(user_B, label_B, score_B, strict=True) if of == user]
        positive, negative = ([score for score, label in mine if label == of] for of in (1, 0))
        if positive and negative:
            won = sum(1.0 if p > n else 0.5 if p == n else 0.0 for p in positive for n in negative)
            weighted += len(positive) * won / (len(positive) * len(negative))
            weights += len(positive)
        ranked = [label for _, label in sorted(mine, key=lambda row: -row[0])]
        gain, best = (
            sum((2**label - 1) / math.log2(rank + 1) for rank, label in enumerate(of[:5], start=1))
            for of in (ranked, sorted(ranked, reverse=True))
        )
        gains.append(gain / best if best else 0.0)
    gauc, ndcg = weighted / weights if weights else 0.5, float(np.mean(gains))
    return gauc, ndcg, (gauc + ndcg) / 2


def test_it_equals_the_twin_on_ties_repetitions_and_users_of_one_class() -> None:
    rng = np.random.default_rng(0)
    for split in range(200):
        size = int(rng.integers(1, 16))
        user_B, label_B = rng.integers(0, 1 + size // 3, size), rng.integers(0, 2, size).astype(float)
        score_B = rng.integers(0, 1 + split % 7, size).astype(float)
        label_B[user_B == 0] = split % 2
        again = rng.integers(0, size, 3)
        user_B, label_B, score_B = (np.concatenate([of, of[again]]) for of in (user_B, label_B, score_B))
        rows = task_rows(user_B, label_B)
        ranked, top = statistics(label_B, score_B, rows.users)
        gauc, ndcg, both = twin(user_B, label_B, score_B)
        assert np.nan_to_num(ranked.value, nan=0.5) == pytest.approx(gauc, abs=1e-12)
        assert top.value == pytest.approx(ndcg, abs=1e-12)
        assert primary(rows, score_B) == pytest.approx(both, abs=1e-12)


@pytest.mark.parametrize(
    ("labels", "ndcg"),
    [((1, 0), 1.0), ((0, 1), 1 / math.log2(3)), ((0, 0), 0.0), ((1, 1), 1.0)],
    ids=["positive first", "positive second", "no positive counts as 0", "all positive is 1"],
)
def test_ties_keep_the_order_of_the_file(labels: tuple[int, int], ndcg: float) -> None:
    scores = TaskJudge(task_rows(np.zeros(2), np.array(labels, dtype=float)), replicates=2).scores(np.zeros(2))
    assert scores["gauc"].value == 0.5
    assert scores["ndcg@5"].value == pytest.approx(ndcg, abs=1e-15)


def test_chance_in_closed_form_is_the_mean_over_orders() -> None:
    rng = np.random.default_rng(1)
    user_B, label_B = rng.integers(0, 20, 90), (rng.random(90) < 0.3).astype(float)
    rows = task_rows(user_B, label_B)
    drawn = [[one.value for one in TaskJudge(rows, 2).scores(rng.random(90)).values()] for _ in range(200)]
    error = np.std(drawn, axis=0) / math.sqrt(len(drawn))
    assert (np.abs(np.mean(drawn, axis=0) - list(expected_random(rows).values())) < 4 * error).all()


def test_every_published_primary_is_the_mean_of_what_stands_beside_it() -> None:
    for one in LADDER:
        assert one.primary == pytest.approx((one.gauc + one.ndcg) / 2, abs=1.01e-4)
    oracle = LADDER[-1]
    # 27.1 % of the test users have no positive: the ceiling of nDCG is the share of the others.
    assert oracle.ndcg == pytest.approx(1 - 0.271, abs=5e-4)


def test_real_rows_have_the_ceiling_that_their_users_say(shared_data: Callable[[str], Path]) -> None:
    rows = read(shared_data("KuaiRand-Pure"), DAYS_AT_HAND)["test"]
    with_positive = rows.frame.group_by("user_id").agg(pl.col("long_view").max())["long_view"].mean()
    scores = TaskJudge(rows, replicates=2).scores(rows.label_B)
    assert (scores["gauc"].value, scores["ndcg@5"].value) == (1.0, pytest.approx(with_positive, abs=1e-12))
    some = rows.frame.head(2000)
    user_B, label_B, score_B = (some[name].to_numpy().astype(float) for name in ("user_id", "long_view", "tab"))
    found = [one.value for one in TaskJudge(TaskRows.of(some.drop("row_id")), 2).scores(score_B).values()]
    order = np.argsort(user_B, kind="stable")
    assert found == pytest.approx(twin_by_blocks(user_B[order], label_B[order], score_B[order]), abs=1e-12)


def twin_by_blocks(user_B: FloatArray, label_B: FloatArray, score_B: FloatArray) -> tuple[float, float, float]:
    """Return what `twin` does of rows in order of the user, for as many users as a log has."""
    ends = np.flatnonzero(np.diff(user_B)) + 1
    blocks = [
        (of, twin(*(column[of] for column in (user_B, label_B, score_B))))
        for of in np.split(np.arange(user_B.size), ends)
    ]
    mixed = [(label_B[of].sum(), gauc) for of, (gauc, _, _) in blocks if 0 < label_B[of].sum() < of.size]
    gauc = sum(weight * value for weight, value in mixed) / sum(weight for weight, _ in mixed)
    ndcg = float(np.mean([ndcg for _, (_, ndcg, _) in blocks]))
    return gauc, ndcg, (gauc + ndcg) / 2
