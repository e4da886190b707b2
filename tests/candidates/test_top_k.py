"""The exact best against a sort of everything, ties and forbidden videos included."""

import numpy as np
import pytest

from models.retrieval.watched import NONE
from tasks.candidates.top_k import top_k


def by_sorting(score_NV: np.ndarray, k: int) -> list[list[int]]:
    found = []
    for row in score_NV.tolist():
        best = sorted((video for video in range(len(row)) if row[video] != -np.inf), key=lambda v: (-row[v], v))[:k]
        found.append(best + [NONE] * (k - len(best)))
    return found


@pytest.mark.parametrize("k", [1, 5, 12, 20])
@pytest.mark.parametrize("levels", [2, 4, 10**6])
def test_it_is_what_a_sort_of_all_gives(k: int, levels: int) -> None:
    random = np.random.default_rng(k)
    score_NV = random.integers(0, levels, (200, 12)).astype(np.float32)
    score_NV[random.random(score_NV.shape) < 0.3] = -np.inf
    assert top_k(score_NV, k).tolist() == by_sorting(score_NV, k)


def test_of_equal_scores_the_smaller_code_comes_first_where_a_partition_would_not() -> None:
    score_NV = np.zeros((1, 400), dtype=np.float32)
    assert top_k(score_NV, 5).tolist() == [[0, 1, 2, 3, 4]]
    assert sorted(np.argpartition(-np.tile([0.0, 1.0, 0.0, 1.0], 100), 5)[:5]) != [1, 3, 5, 7, 9]


def test_nobody_gets_no_list() -> None:
    assert top_k(np.zeros((0, 3), dtype=np.float32), 2).shape == (0, 2)
