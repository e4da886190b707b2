"""Vectors: a distance that is no score, and uniformity of what was not normalised (docs/methods/metrics.md#traps)."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.retrieval.alignment_uniformity import uniformity
from models.retrieval.metric import metric_loss, squared_distance
from tasks.candidates.audience import Audience
from tasks.candidates.proposers.metric import Metric
from tasks.candidates.proposers.vectors import VectorProposer
from tasks.candidates.top_k import Scores
from tests.traps.twins import tells_apart

USER, NEAR, FAR = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.1, 0.0]]), torch.tensor([[1.0, 0.0]])
MARGIN, VIDEOS = 0.5, 7
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


class DistanceAsScore(Metric):
    """The trap: what is far has the larger number, and large numbers come first."""

    def scores(self, audience: Audience) -> Scores:
        return -super().scores(audience)


def test_trap_5_the_nearer_video_ranks_first() -> None:
    videos = torch.cat([NEAR, FAR]).numpy()
    nobody_saw = Audience(np.arange(1), np.arange(1), np.zeros(2, np.int64), np.empty(0, np.int64))

    def check(proposer: VectorProposer) -> None:
        near, far = proposer.scores(nobody_saw)[0]
        assert near > far

    tells_apart(check, Metric(USER.numpy(), videos), DistanceAsScore(USER.numpy(), videos))


def test_trap_5_a_hinge_is_free_in_the_good_order_and_costs_1_49_in_the_bad_one() -> None:
    def of_the_product(user: Tensor, video: Tensor, other: Tensor) -> Tensor:
        return metric_loss(user, video, other[None], MARGIN, VIDEOS)

    def distance_as_score(user: Tensor, video: Tensor, other: Tensor) -> Tensor:
        hinge = functional.relu(MARGIN + squared_distance(user, other) - squared_distance(user, video))
        return (VIDEOS * (hinge > 0)).log1p() * hinge

    def check(loss: Loss) -> None:
        assert float(loss(USER, NEAR, FAR)) == 0
        assert float(loss(USER, FAR, NEAR)) == pytest.approx(1.49 * np.log(1 + VIDEOS))

    tells_apart(check, of_the_product, distance_as_score)


def test_trap_7_uniformity_does_not_know_how_long_vectors_are() -> None:
    drawn = torch.randn(50, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def not_normalised(vector_ND: Tensor) -> Tensor:
        return torch.pdist(vector_ND).square().mul(-2).exp().mean().log()

    def check(metric: Callable[[Tensor], Tensor]) -> None:
        assert float(metric(3 * drawn)) == pytest.approx(float(metric(drawn)), abs=1e-5)
        assert float(metric(torch.ones(20, 8, dtype=torch.float64))) == pytest.approx(0, abs=1e-12)

    tells_apart(check, uniformity, not_normalised)
