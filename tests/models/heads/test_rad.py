"""RAD against quantiles counted by hand, for rows of known, small and unknown cohorts."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm

from models.heads.base import TrainLabels
from models.heads.rad import NUM_QUANTILE_POINTS, Rad, RadConfig

LEVELS = np.linspace(0, 1, NUM_QUANTILE_POINTS)


def logs(rows: int = 4000, seed: int = 3) -> TrainLabels:
    """Return plays of nine videos by thirty users; video 9 has ten plays, and some rows are of unknown users."""
    rng = np.random.default_rng(seed)
    video, user = rng.integers(1, 9, rows), rng.integers(0, 31, rows)
    video[:10] = 9
    duration = np.array([0, 10, 10, 20, 20, 30, 30, 60, 60, 60.0])[video]
    watch = np.round(duration * rng.beta(1 + video % 3, 1 + user % 4, rows), 3)
    return TrainLabels(watch, duration, {"video_id": video, "user_id": user})


def make(labels: TrainLabels, **options: Any) -> Rad:
    config = RadConfig(**options)
    return Rad(config, Rad.fit_state(config, labels))


def of(head: Rad, **levels: int) -> Rad:
    return head.of(lambda field: torch.tensor([levels[field.removesuffix("_id")]]))


def decoded(head: Rad, level: float, duration: float) -> float:
    return float(head.score(torch.logit(torch.tensor([[level]])), torch.tensor([duration])))


def test_a_videos_quantiles_are_its_own_and_its_duration_groups() -> None:
    labels, shrinkage = logs(), 50.0
    head = make(labels, groups=3, shrinkage=shrinkage)
    own = labels.watch_s[labels.levels["video_id"] == 3]
    group = np.searchsorted(head.group_cuts.numpy(), labels.duration_s)
    pooled = labels.watch_s[group == group[labels.levels["video_id"] == 3][0]]
    expected = len(own) * np.quantile(own, LEVELS) + shrinkage * np.quantile(pooled, LEVELS)
    cohort = head.get_buffer("video_cohort")[3]
    np.testing.assert_allclose(head.get_buffer("video_quantiles")[cohort], expected / (len(own) + shrinkage), rtol=1e-5)
    np.testing.assert_allclose(
        decoded(of(head, video=3), 0.37, 20.0), (expected / (len(own) + shrinkage))[37], rtol=1e-5
    )


@pytest.mark.parametrize("level", [0, 9, 400])
def test_unknown_small_and_later_videos_are_of_their_duration_group(level: int) -> None:
    labels = logs()
    head = make(labels, groups=3)
    pooled = labels.watch_s[labels.duration_s == 60]
    assert decoded(of(head, video=level), 0.5, 60.0) == pytest.approx(np.median(pooled), rel=1e-4)


def test_a_users_plays_are_told_apart_by_length() -> None:
    labels = logs()
    head = make(labels, by="user", groups=1, tiers=2, least_rows=5, shrinkage=1e-6)
    edge = float(head.tier_cuts[0])
    for duration, tier in ((10.0, labels.duration_s <= edge), (60.0, labels.duration_s > edge)):
        own = labels.watch_s[(labels.levels["user_id"] == 7) & tier]
        assert decoded(of(head, user=7), 0.25, duration) == pytest.approx(np.quantile(own, 0.25), rel=1e-4)


def test_both_views_meet_as_probits_weighted_by_precision() -> None:
    labels = logs()
    shrinkage = 20.0
    head = of(make(labels, by="both", groups=2, tiers=1, shrinkage=shrinkage), video=5, user=7)
    watch, duration = torch.tensor([11.0]), torch.tensor([30.0])
    total, precision = 0.0, 0.0
    for view, level in (("video", 5), ("user", 7)):
        single = of(make(labels, by=view, groups=2, tiers=1, shrinkage=shrinkage), **{view: level})
        rows = (labels.levels[f"{view}_id"] == level).sum() + shrinkage
        percentile = np.sqrt(single.loss(torch.full((1, 1), -99.0), watch, duration).item())
        total, precision = total + rows * norm.ppf(percentile), precision + rows
    expected = norm.cdf(total / precision)
    found = np.sqrt(head.loss(torch.full((1, 1), -99.0), watch, duration).item())
    assert found == pytest.approx(expected, rel=1e-4)
    assert decoded(head, expected, 30.0) == pytest.approx(11.0, abs=1e-3)


@pytest.mark.parametrize("by", ["video", "user", "both"])
def test_the_percentile_of_a_decode_is_the_prediction(by: str) -> None:
    head = of(make(logs(), by=by), video=8, user=3)
    for level in (0.05, 0.31, 0.5, 0.77, 0.95):
        watch = torch.tensor([decoded(head, level, 60.0)])
        loss = head.loss(torch.logit(torch.tensor([[level]])), watch, torch.tensor([60.0]))
        assert np.sqrt(loss.item()) < 2e-3


def test_a_flat_stretch_has_the_level_of_its_middle() -> None:
    watch = np.concatenate([np.zeros(300), np.linspace(1, 29, 300), np.full(400, 30.0)])
    head = make(TrainLabels(watch, np.full(1000, 30.0)))
    out, duration = torch.full((2, 1), -99.0), torch.tensor([30.0, 30.0])
    percentile = head.loss(out, torch.tensor([0.0, 30.0]), duration).sqrt()
    np.testing.assert_allclose(percentile, [0.15, 0.8], atol=0.011)


def test_the_head_itself_knows_no_cohort() -> None:
    labels = logs()
    head = make(labels, groups=3)
    bound = of(head, video=3)
    assert decoded(head, 0.5, 20.0) == pytest.approx(decoded(of(head, video=0), 0.5, 20.0))
    assert decoded(bound, 0.5, 20.0) != pytest.approx(decoded(head, 0.5, 20.0), rel=1e-3)
    assert dict(bound.state_dict()).keys() == dict(head.state_dict()).keys()
