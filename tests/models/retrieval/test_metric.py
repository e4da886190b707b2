"""The distance learned from content: its loss by hand, and an order that was planted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.retrieval.config import MetricOptions
from models.retrieval.metric import MetricFit, metric_loss, squared_distance
from models.retrieval.watched import Watched

USER, NEAR, FAR = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.1, 0.0]]), torch.tensor([[1.0, 0.0]])
USERS, VIDEOS, WATCHES = 60, 40, 12
OPTIONS = MetricOptions(hidden=16, batch_size=128)


def world(seed: int = 0) -> Watched:
    """Return users who watch videos of their own half, on which side of 0 the first of three numbers of content tells.

    The second number, ten times as large, means nothing, so that distances of content alone say little. Nobody watches the last
    eight videos; the very last has no content.
    """
    random = np.random.default_rng(seed)
    side_V = np.arange(VIDEOS) % 2
    content_VC = np.stack([2.0 * side_V - 1, 10 * random.normal(size=VIDEOS), random.normal(size=VIDEOS)], axis=1)
    content_VC += 0.2 * random.normal(size=content_VC.shape)
    content_VC[-1] = np.nan
    user_P = np.repeat(np.arange(USERS), WATCHES)
    own = [
        np.sort(random.choice(np.flatnonzero(side_V[:-8] == user % 2), WATCHES, replace=False)) for user in range(USERS)
    ]
    times, ids = random.permutation(user_P.size), (np.arange(USERS), np.arange(VIDEOS))
    return Watched(user_P, np.concatenate(own), times, *ids, content_VC=content_VC.astype(np.float32))


def fitted(watched: Watched, epochs: int = 15, width: int = 4) -> MetricFit:
    generator = torch.Generator().manual_seed(0)
    fit = MetricFit(watched, width, OPTIONS, generator)
    for _ in range(epochs):
        fit.one_pass(OPTIONS.batch_size, generator)
    return fit


def own_side_first(fit: MetricFit, videos: np.ndarray) -> float:
    """Return how often a video of a user's own side is nearer than one of the other."""
    user_UD, video_VD = fit.vectors()
    distance_UV = squared_distance(user_UD[:, None], video_VD[None, torch.from_numpy(videos)])
    own_UV = torch.from_numpy(np.arange(USERS)[:, None] % 2 == videos % 2)
    pairs = [(row[own][:, None] < row[~own]).float().mean() for row, own in zip(distance_UV, own_UV, strict=True)]
    return float(torch.stack(pairs).mean())


def test_the_rank_is_the_share_of_drawn_videos_within_the_margin() -> None:
    others = torch.stack([NEAR[0], FAR[0], FAR[0], FAR[0]])[None]
    hinge = 0.5 + 0.01 - 0.01
    assert float(metric_loss(USER, NEAR, others, 0.5, 100)) == pytest.approx(hinge * np.log(1 + 25), rel=1e-6)


@pytest.mark.slow
def test_a_planted_side_is_found_also_of_videos_that_nobody_watched() -> None:
    fit = fitted(world())
    user_UD, video_VD = fit.vectors()
    assert own_side_first(fit, np.arange(VIDEOS - 8)) > 0.9
    assert own_side_first(fit, np.arange(VIDEOS - 8, VIDEOS - 1)) > 0.9
    assert own_side_first(fitted(world(), epochs=0), np.arange(VIDEOS - 8)) < 0.8, "the control: before the first step"
    known_U, known_V = fit.known
    assert known_U.all() and known_V.sum() == VIDEOS - 1
    assert bool(video_VD[-1].isnan().all()) and bool((video_VD[:-1].norm(dim=1) <= 1 + 1e-6).all())
    assert bool((user_UD.norm(dim=1) <= 1 + 1e-6).all()), "a mean of points of the ball lies in it"


@pytest.mark.slow
def test_content_of_other_videos_tells_nothing_of_those_that_nobody_watched() -> None:
    watched = world()
    assert watched.content_VC is not None
    order = np.append(np.random.default_rng(1).permutation(VIDEOS - 1), VIDEOS - 1)
    fit = fitted(replace(watched, content_VC=watched.content_VC[order]))
    assert own_side_first(fit, np.arange(VIDEOS - 8, VIDEOS - 1)) < 0.7


def test_a_user_is_the_mean_of_the_last_videos_weighed_by_how_long_ago() -> None:
    watched = world()
    options = OPTIONS.model_copy(update={"history": 3, "decay": 0.5})
    fit = MetricFit(watched, 4, options, torch.Generator().manual_seed(0))
    user_UD, video_VD = fit.vectors()
    theirs = np.flatnonzero(watched.user_P == 5)
    newest = watched.video_P[theirs[np.argsort(watched.time_P[theirs])]][::-1][:3].copy()
    by_hand = (torch.tensor([1.0, 0.5, 0.25])[:, None] * video_VD[newest]).sum(dim=0) / 1.75
    torch.testing.assert_close(user_UD[5], by_hand)
