"""The two losses against double loops, and what they are known to go wrong by: collapse, repeats in a batch."""

import math

import pytest
import torch
from torch import Tensor

from models.retrieval.alignment_uniformity import alignment, directau_loss, uniformity


def drawn(rows: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(vectors: Tensor) -> float:
    """Uniformity as a double loop over pairs."""
    unit = [v / v.norm() for v in vectors]
    pairs = [(i, j) for i in range(len(unit)) for j in range(i)]
    return math.log(sum(math.exp(-2 * float((unit[i] - unit[j]).square().sum())) for i, j in pairs) / len(pairs))


def test_both_are_what_double_loops_give() -> None:
    user, video = drawn(7, 3), drawn(7, 3, seed=1)
    distances = [float((a / a.norm() - b / b.norm()).square().sum()) for a, b in zip(user, video, strict=True)]
    assert float(alignment(user, video)) == pytest.approx(sum(distances) / 7, abs=1e-12)
    assert float(uniformity(user)) == pytest.approx(by_hand(user), abs=1e-12)
    loss = sum(distances) / 7 + 0.3 * (by_hand(user) + by_hand(video)) / 2
    assert float(directau_loss(user, video, 0.3)) == pytest.approx(loss, abs=1e-12)


def test_a_vectors_length_says_nothing_of_alignment() -> None:
    user, video = drawn(50, 8), drawn(50, 8, seed=1)
    assert float(alignment(3 * user, video)) == pytest.approx(float(alignment(user, video)), abs=1e-12)


def test_anchors() -> None:
    same = torch.ones(20, 8, dtype=torch.float64)
    assert float(uniformity(same)) == pytest.approx(0, abs=1e-12)
    assert float(uniformity(same[:1])) == 0
    assert float(uniformity(drawn(2000, 64))) == pytest.approx(-3.88, abs=0.01)
    assert float(alignment(drawn(4000, 64), drawn(4000, 64, seed=1))) == pytest.approx(2, abs=0.02)


def test_vectors_that_coincide_have_a_gradient() -> None:
    vectors = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    uniformity(vectors * torch.tensor([1.0, 1, 1])).backward()
    assert vectors.grad is not None and vectors.grad.isfinite().all()


def test_who_stands_twice_in_a_batch_counts_once() -> None:
    user, video = drawn(3, 4), drawn(4, 4, seed=1)
    user_B, video_B = torch.tensor([2, 0, 2, 1]), torch.tensor([3, 1, 0, 2])
    once = directau_loss(user[user_B], video[video_B], 1.0, user_B, video_B)
    expected = alignment(user[user_B], video[video_B]) + (uniformity(user) + uniformity(video)) / 2
    assert float(once) == pytest.approx(float(expected), abs=1e-12)
    assert float(directau_loss(user[user_B], video[video_B], 1.0)) > float(once) + 0.1
