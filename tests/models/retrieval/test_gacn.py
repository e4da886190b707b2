"""Candidate edges, draws, the discriminator and the agreement of views against loops; a generator on planted sides."""

import numpy as np
import pytest
import torch

from models.retrieval.candidate_edges import CandidateEdges
from models.retrieval.config import GacnOptions
from models.retrieval.gacn import NEW, Discriminator, GacnFit, ViewGenerator, info_nce
from models.retrieval.watched import Watched

USERS, VIDEOS = 40, 30


def world(seed: int = 0) -> Watched:
    """Users of two sides watch videos of their own side: even ones or odd ones; content tells the side, and noise hides it."""
    random = np.random.default_rng(seed)
    own_UV = np.arange(USERS)[:, None] % 2 == np.arange(VIDEOS) % 2
    user, video = np.nonzero(own_UV & (random.random((USERS, VIDEOS)) < 0.4))
    side = np.where(np.arange(VIDEOS) % 2 == 0, 1.0, -1.0)
    content = np.stack([0.3 * side, *random.normal(size=(2, VIDEOS))], axis=1).astype(np.float32)
    return Watched(user, video, np.arange(user.size), np.arange(USERS), np.arange(VIDEOS), content_VC=content)


@pytest.fixture(scope="module")
def edges() -> CandidateEdges:
    return CandidateEdges.of(world(), 5)


def test_candidates_are_what_was_watched_and_the_nearest_others(edges: CandidateEdges) -> None:
    watched = world()
    assert watched.content_VC is not None
    content = watched.content_VC.astype(np.float64)
    content = (content - content.mean(axis=0)) / content.std(axis=0)
    for user in range(USERS):
        mine = watched.video_P[watched.user_P == user]
        centre = content[mine].mean(axis=0)
        cosine = content @ centre / np.linalg.norm(content, axis=1)
        others = [video for video in np.argsort(-cosine, kind="stable") if video not in mine][:5]
        place = edges.of_users(torch.tensor([user]))
        assert (edges.user_E[place] == user).all()
        found = edges.video_E[place]
        assert found.tolist() == sorted({*mine.tolist(), *others})
        assert found[edges.observed_E[place]].tolist() == mine.tolist()
    some = edges.of_users(torch.tensor([3, 17]))
    assert edges.user_E[some].unique().tolist() == [3, 17]


def test_edges_by_popularity_are_as_many_as_were_watched_and_none_likelier_than_1(edges: CandidateEdges) -> None:
    shares = edges.popular_shares().double()
    counts = torch.bincount(edges.video_E[edges.observed_E], minlength=VIDEOS)[edges.video_E]
    assert float(shares.sum()) == pytest.approx(edges.num_observed, rel=1e-5) and float(shares.max()) <= 1
    below = shares < 1
    ratio = shares[below] / counts[below]
    assert float(ratio.std()) < 1e-6
    few = CandidateEdges(
        torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 2, 0]), torch.tensor([True, True, True, True]), 2, 3
    )
    assert few.popular_shares().tolist() == [1, 1, 1, 1]


def test_agreement_is_the_share_of_the_own_counterpart() -> None:
    one, other = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    found = []
    for node in range(4):
        shares = [float(torch.cosine_similarity(one[node], other[of], dim=0)) / 0.2 for of in range(4)]
        found.append(np.log(np.exp(shares).sum()) - shares[node])
    assert float(info_nce(one, other, 0.2)) == pytest.approx(np.mean(found), rel=1e-5)


def test_drawn_edges_are_as_frequent_as_they_are_likely_and_carry_a_gradient(edges: CandidateEdges) -> None:
    views = ViewGenerator(edges, GacnOptions())
    likely = views.probability().detach()
    new = ~edges.observed_E
    assert float(likely[new].sum()) == pytest.approx(NEW * edges.num_observed, rel=1e-4)
    assert float(likely.sum()) == pytest.approx(edges.num_observed, rel=1e-4), "as many edges as were watched"
    place, generator = torch.arange(len(new)).repeat(300), torch.Generator().manual_seed(0)
    held = views.relaxed(place, generator)
    assert held.detach().unique().tolist() == [0, 1]
    frequency = held.detach().reshape(300, -1).mean(dim=0)
    assert float((frequency - likely).abs().max()) < 0.15 and float((frequency - likely).mean().abs()) < 0.005
    held.sum().backward()
    assert views.theta_E.grad is not None and bool((views.theta_E.grad > 0).all())


@pytest.mark.parametrize("views", ["dropped", "popular"])
def test_views_without_a_generator_hold_no_edge_that_they_should_not(views: str) -> None:
    options = GacnOptions(views=views, dropped=0.3, neighbours=5)
    fit = GacnFit(world(), 4, options, torch.Generator().manual_seed(0))
    before = fit.probability()
    fit.one_pass(64, torch.Generator().manual_seed(0))
    assert torch.equal(before, fit.probability()), "nothing learns them"
    if views == "dropped":
        assert fit.edges.observed_E.all() and before.tolist() == pytest.approx([0.7] * len(before))
    else:
        assert (~fit.edges.observed_E).any() and torch.equal(before, fit.edges.popular_shares())


def test_the_discriminator_reads_held_edges_alone(edges: CandidateEdges) -> None:
    generator = torch.Generator().manual_seed(0)
    judge = Discriminator(4, generator)
    users, videos = torch.randn(2, 4, generator=generator), torch.randn(VIDEOS, 4, generator=generator)
    place = edges.of_users(torch.tensor([3, 17]))
    row, video = (edges.user_E[place] == 17).long(), edges.video_E[place]
    held = edges.observed_E[place].float()
    found = judge(users, videos, row, video, held)
    kept = held.bool()
    torch.testing.assert_close(found, judge(users, videos, row[kept], video[kept], held[kept]))
    by_hand = []
    for user in range(2):
        near = []
        for code in video[kept & (row == user)].tolist():
            watchers = users[[who for who in range(2) if bool((kept & (row == who) & (video == code)).any())]]
            hidden = torch.relu(torch.cat([videos[code], watchers.mean(dim=0)]) @ judge.video)
            near.append(torch.cat([videos[code], hidden]))
        state = torch.relu(torch.stack(near).mean(dim=0) @ judge.user)
        degree = torch.tensor([float(np.log1p(len(near)))])
        by_hand.append(torch.cat([users[user] * state, state, degree]) @ judge.out + judge.bias)
    torch.testing.assert_close(found, torch.cat(by_hand))


@pytest.mark.slow
def test_the_generator_learns_which_new_edges_look_like_watches() -> None:
    """Of the candidates that nobody watched those of the own side gain on those of the other side; content hardly tells which."""
    watched = world()
    options = GacnOptions(neighbours=20, learning_rate=0.02, adversary_rate=0.05, batch_size=64)
    generator = torch.Generator().manual_seed(0)
    fit = GacnFit(watched, 8, options, generator)
    new = ~fit.edges.observed_E
    own = new & (fit.edges.user_E % 2 == fit.edges.video_E % 2)
    before = fit.probability()
    assert float(before[own].mean()) == pytest.approx(float(before[new].mean()))
    for _ in range(30):
        fit.one_pass(options.batch_size, generator)
    after = fit.probability()
    assert float(after[own].mean()) > 1.5 * float(after[new & ~own].mean()), (
        after[own].mean(),
        after[new & ~own].mean(),
    )


def test_equal_seeds_give_equal_bits() -> None:
    def vectors(seed: int) -> bytes:
        generator = torch.Generator().manual_seed(seed)
        fit = GacnFit(world(), 4, GacnOptions(neighbours=5), generator)
        fit.one_pass(64, generator)
        return b"".join(of.numpy().tobytes() for of in fit.vectors())

    assert vectors(0) == vectors(0) != vectors(1)
