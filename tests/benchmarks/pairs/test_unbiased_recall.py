"""URE on catalogues whose full recall is known (docs/methods/debias.md#unbiased-recall)."""

import numpy as np
import pytest

from benchmarks.pairs.unbiased_recall import top_k_mask, unbiased_recall
from tasks.core.errors import ContractError
from tasks.evaluate.metrics.uncertainty import interval, user_bootstrap_weights

USERS, ITEMS, ROWS, K = 2000, 300, 16, 10
SIGNAL = 0.8


def catalogue(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of all pairs and what users really like; the signal gives a Recall@10 near the .0800 of the reference."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(USERS, ITEMS))
    appeal = 1 / (1 + np.exp(-(1.2 * taste + rng.normal(0, 0.8, (USERS, 1)) - 1)))
    score = SIGNAL * taste + np.sqrt(1 - SIGNAL**2) * rng.normal(size=(USERS, ITEMS))
    return score, (rng.random((USERS, ITEMS)) < appeal).astype(int)


def random_rows(liked: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    item = np.argsort(rng.random(liked.shape), axis=1)[:, :ROWS].ravel()
    user = np.repeat(np.arange(len(liked)), ROWS)
    return user, item, liked[user, item]


def recall(score: np.ndarray, liked: np.ndarray, k: int) -> tuple[float, float]:
    """Macro and micro Recall@k over whole rows, by brute force."""
    top = np.argsort(-score, axis=1)[:, :k]
    hits, positives = np.take_along_axis(liked, top, axis=1).sum(axis=1), liked.sum(axis=1)
    has = positives > 0
    return float((hits[has] / positives[has]).mean()), float(hits.sum() / positives.sum())


@pytest.mark.slow
def test_few_random_rows_estimate_recall_over_the_catalogue() -> None:
    score, liked = catalogue(0)
    macro, micro = recall(score, liked, K)
    found = [unbiased_recall(score, *random_rows(liked, seed), K) for seed in range(12)]
    macros = np.array([estimate.macro.value for estimate in found])
    micros = np.array([estimate.micro.value for estimate in found])
    assert (macro, micro) == pytest.approx((0.0800, 0.0724), abs=0.003)
    assert macros.std(ddof=1) == pytest.approx(0.0034, rel=0.6)
    assert abs(micros.mean() - micro) < 4 * micros.std(ddof=1) / np.sqrt(12)
    assert -0.005 < macros.mean() - macro < 0.001  # a little low: see the docstring; elsewhere -.0018 was seen
    user, item, positive = random_rows(liked, 0)
    inside = recall(score[user, item].reshape(USERS, ROWS), positive.reshape(USERS, ROWS), 5)[0]
    assert inside > 4 * macro  # recall@5 within the 16 random rows: another, far larger number


def test_its_interval_comes_from_resampling_users() -> None:
    score, liked = catalogue(1)
    found = interval(
        unbiased_recall(score, *random_rows(liked, 1), K).macro, user_bootstrap_weights(USERS, 300, seed=1)
    )
    assert found.low is not None
    assert found.high is not None
    assert found.low < recall(score, liked, K)[0] < found.high
    assert found.standard_error == pytest.approx(0.0034, rel=0.4)


def test_by_hand() -> None:
    score = np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 2.0, 3.0]])
    user, item = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 3, 3, 0, 0])
    positive = np.array([1, 1, 1, 1, 0, 0])
    found = unbiased_recall(score, user, item, positive, k=2)
    assert found.macro.value == pytest.approx((2 / 3 + 1) / 2)
    assert found.micro.value == pytest.approx(3 / 4)
    assert (found.macro.num_groups, found.macro.num_dropped) == (2, 1)
    assert found.macro.dropped_reason == "users without a positive"


def test_equal_scores_are_ordered_at_random() -> None:
    share = np.mean([top_k_mask(np.zeros((50, 20)), 5, seed) for seed in range(40)], axis=(0, 1))
    np.testing.assert_allclose(share, 0.25, atol=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": 3}, r"k is 3, allowed is \[1, 3\)"),
        ({"score_UI": np.array([[1.0, np.nan, 0.0]])}, "NaN"),
        ({"positive_T": np.array([2, 0])}, "0 or 1"),
        ({"item_T": np.array([1, 1])}, "a pair occurs twice"),
    ],
)
def test_what_it_refuses(changes: dict[str, object], message: str) -> None:
    arguments = {
        "score_UI": np.array([[1.0, 2.0, 3.0]]),
        "user_T": np.array([0, 0]),
        "item_T": np.array([0, 1]),
        "positive_T": np.array([1, 0]),
        "k": 1,
    }
    with pytest.raises(ContractError, match=message):
        unbiased_recall(**(arguments | changes))
