from dataclasses import replace

import numpy as np
import pytest

from benchmarks.pairs.data import PairData, Ratings
from benchmarks.pairs.scoring import Judge, over_fits
from benchmarks.pairs.splits import HONEST, LITERATURE, Variant, judged_rows


def by_hand(data: PairData, variant: Variant, score_UI: np.ndarray, k: int) -> dict[str, float]:
    """Return NDCG, recall and F1 at k from loops."""
    rows = judged_rows(data, variant)
    ndcg, recall, precision = [], [], []
    for user in np.unique(rows.user_B):
        mine = rows.user_B == user
        liked = data.liked(rows)[mine][np.argsort(-score_UI[user, rows.item_B[mine]])]
        positives = int(liked.sum())
        if not positives and variant.without_positives == "excluded":
            continue
        discount = 1 / np.log2(np.arange(2, k + 2))
        best = discount[:positives].sum()
        ndcg.append((liked[:k] * discount).sum() / best if positives else 1.0)
        recall.append(liked[:k].sum() / max(1, positives))
        precision.append(liked[:k].sum() / k)
    p, r = np.mean(precision), np.mean(recall)
    return {"ndcg": float(np.mean(ndcg)), "recall": float(r), "f1": float(2 * p * r / (p + r))}


@pytest.fixture
def with_empty_user(small: PairData) -> PairData:
    """A user who likes nothing in the test."""
    rating_B = np.where(small.test.user_B == 7, 1, small.test.rating_B)
    return replace(small, test=Ratings(small.test.user_B, small.test.item_B, rating_B))


@pytest.mark.parametrize("variant", [LITERATURE, HONEST], ids=lambda variant: variant.name)
def test_lists_are_judged_as_by_hand(with_empty_user: PairData, variant: Variant) -> None:
    data = with_empty_user
    if variant is HONEST:  # every user keeps a list longer than 10
        data = replace(data, train=data.train.subset(np.unique(data.train.user_B, return_index=True)[1]))
    score_UI = np.random.default_rng(0).random((data.num_users, data.num_items))
    found = Judge(data, variant, replicates=20).ranking(score_UI)
    for k in (5, 10):
        expected = by_hand(data, variant, score_UI, k)
        for name, value in expected.items():
            assert found[f"{name}@{k}"].value == pytest.approx(value, abs=1e-12)


def test_a_constant_score_has_auc_one_half(small: PairData) -> None:
    constant_UI = np.zeros((small.num_users, small.num_items))
    found = Judge(small, LITERATURE, replicates=20).ranking(constant_UI, tie_orders=10)
    assert found["auc"].value == pytest.approx(0.5, abs=1e-12)
    assert found["user_auc"].value == pytest.approx(0.5, abs=1e-12)
    assert len(found["ndcg@5"].per_fit) == 1
    noise = Judge(small, LITERATURE, replicates=20).ranking(np.random.default_rng(1).random(constant_UI.shape))
    assert found["ndcg@5"].value == pytest.approx(noise["ndcg@5"].value, abs=0.06)


def test_probabilities_are_judged_as_by_hand(small: PairData) -> None:
    probability_UI = np.random.default_rng(0).uniform(0.05, 0.95, (small.num_users, small.num_items))
    rows, label_B = small.test, small.liked(small.test)
    p_B = probability_UI[rows.user_B, rows.item_B]
    found = Judge(small, LITERATURE, replicates=20).probabilities(probability_UI)
    assert found["brier"].value == pytest.approx(np.mean((p_B - label_B) ** 2))
    assert found["log_loss"].value == pytest.approx(-np.mean(label_B * np.log(p_B) + (1 - label_B) * np.log(1 - p_B)))
    assert found["mean_prediction"].value == pytest.approx(p_B.mean())


def test_differences_are_paired_and_fits_are_averaged(small: PairData) -> None:
    judge = Judge(small, LITERATURE, replicates=200)
    generator = np.random.default_rng(0)
    fits = [judge.ranking(generator.random((small.num_users, small.num_items))) for _ in range(3)]
    mean = over_fits(fits)["user_auc"]
    assert mean.value == pytest.approx(np.mean([fit["user_auc"].value for fit in fits]))
    assert mean.fit_sd == pytest.approx(np.std([fit["user_auc"].value for fit in fits], ddof=1))
    assert mean.minus(mean).interval() == (0.0, 0.0)
    low, high = mean.interval()
    assert low < mean.value < high


def test_k_must_be_below_the_list_length(small: PairData) -> None:
    short = replace(small, test=small.test.subset(small.test.item_B < 12))
    with pytest.raises(ValueError, match="shortest test list"):
        Judge(short, LITERATURE, replicates=20)
