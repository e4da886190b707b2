import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.sequence.protocol.scoring import METRICS, SequenceJudge, statistics
from benchmarks.sequence.protocol.split import Candidates, SequenceSplit, split
from tests.benchmarks.sequence_protocol.conftest import written


def by_hand(candidates: Candidates, score_C: np.ndarray) -> dict[str, float]:
    """Return the metrics user by user; scores without ties."""
    ranks, areas = [], []
    for row in range(len(candidates.user_J)):
        mine = candidates.row_C == row
        score, label = score_C[mine], candidates.label_C[mine]
        if len(score) > 1:
            ranks.append(1 / math.log2(int((score > score[label == 1][0]).sum()) + 2))
        if len(score) > 2:
            areas.append(roc_auc_score(label, score))
    pooled = roc_auc_score(candidates.label_C, score_C)
    return {"auc": float(pooled), "gauc": float(np.mean(areas)), "ndcg_2": float(np.mean(ranks))}


@pytest.mark.parametrize("seed", range(3))
def test_metrics_are_their_definitions(halves: SequenceSplit, seed: int) -> None:
    score_C = np.random.default_rng(seed).normal(size=len(halves.test.row_C))
    found = statistics(halves.test, score_C)
    for name, value in by_hand(halves.test, score_C).items():
        assert found[name].value == pytest.approx(value, abs=1e-12)
    sizes = np.bincount(halves.test.row_C)
    assert found["gauc"].num_groups == (sizes > 2).sum()
    assert found["ndcg_2"].num_groups == (sizes > 1).sum()
    assert found["auc"].num_groups == len(sizes)


def test_two_users_by_hand() -> None:
    data = split(written("p1 p2 s3 s4 s5 p6", "p1 p2 s7 p8", "p1 p2 p9"))
    scores = {3: 0.9, 4: 0.1, 5: 0.3, 6: 0.5, 7: 0.2, 8: 0.4, 9: 0.0}
    found = statistics(data.test, np.array([scores[item] for item in data.test.item_C.tolist()]))
    assert found["gauc"].value == pytest.approx(2 / 3)  # the second user has two candidates, the third one
    assert found["ndcg_2"].value == pytest.approx((1 / math.log2(3) + 1) / 2)
    assert found["auc"].value == pytest.approx((3 + 3 + 0) / 12)  # of 6, 8 and 9 over the skips .9, .1, .3, .2


def test_ties_count_one_half_and_no_constant_wins(halves: SequenceSplit) -> None:
    found = statistics(halves.test, np.zeros(len(halves.test.row_C)))
    assert found["auc"].value == found["gauc"].value == 0.5
    chance = np.mean([statistics(halves.test, np.zeros(len(halves.test.row_C)), s)["ndcg_2"].value for s in range(20)])
    sizes = np.bincount(halves.test.row_C)
    expected = [np.mean(1 / np.log2(np.arange(size) + 2)) for size in sizes[sizes > 1]]
    assert chance == pytest.approx(np.mean(expected), abs=0.02)


def test_a_judge_resamples_users_alike_for_every_method(halves: SequenceSplit) -> None:
    judge = SequenceJudge(halves.test, replicates=300)
    score_C = np.random.default_rng(0).normal(size=len(halves.test.row_C))
    scores, again = judge.scores(score_C), judge.scores(2 * score_C + 1)
    better = judge.scores(score_C + halves.test.label_C)
    for name in METRICS:
        low, high = scores[name].interval()
        assert low < scores[name].value < high
        assert np.allclose(scores[name].minus(again[name]).resampled_R, 0)
        assert better[name].minus(scores[name]).interval()[0] > 0
