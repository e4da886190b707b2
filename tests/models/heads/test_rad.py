"""RAD against quantiles counted by hand, for rows of known, small and unknown cohorts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm

from models.batch import Batch
from models.heads.base import TrainLabels
from models.heads.rad import NUM_QUANTILE_POINTS, Rad, RadConfig
from models.ranker import Ranker
from models.recipe import Recipe
from models.schema import InputSchema
from models.serving import export_ranker, history_tensors

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
    """Return the score, less the trace of the prediction that orders equal decodes."""
    return float(head.score(torch.logit(torch.tensor([[level]])), torch.tensor([duration]))) - level / 100


def percentile(head: Rad, watch: float, duration: float) -> float:
    """Return the label: the root of the loss of a prediction of 0."""
    loss = head.loss(torch.full((1, 1), -99.0), torch.tensor([watch]), torch.tensor([duration]))
    return float(loss.double().sqrt())


def share_below(watch: np.ndarray, value: float) -> float:
    """Return the middle of the levels at which linearly interpolated quantiles take a value."""
    return float(np.interp(value, np.quantile(watch, LEVELS), LEVELS))


def test_a_percentile_is_the_videos_own_shrunken_to_its_duration_groups() -> None:
    labels, shrinkage = logs(), 50.0
    head = make(labels, groups=3, shrinkage=shrinkage)
    mine = labels.levels["video_id"] == 3
    group = np.searchsorted(head.group_cuts.numpy(), labels.duration_s)
    own, pooled = labels.watch_s[mine], labels.watch_s[group == group[mine][0]]
    expected = (len(own) * share_below(own, 7.7) + shrinkage * share_below(pooled, 7.7)) / (len(own) + shrinkage)
    assert percentile(of(head, video=3), 7.7, 20.0) == pytest.approx(expected, abs=1e-4)
    assert decoded(of(head, video=3), expected, 20.0) == pytest.approx(7.7, abs=2e-3)


def test_complete_plays_have_the_percentile_of_their_middle_in_their_own_video() -> None:
    """Two lengths in one duration group; two fifths of the plays of either are complete."""
    body = np.arange(600) / 600
    watch = np.concatenate([np.concatenate([body * length, np.full(400, length)]) for length in (10.0, 14.0)])
    duration, video = np.repeat([10.0, 14.0], 1000), np.repeat([1, 2], 1000)
    head = make(TrainLabels(watch, duration, {"video_id": video}), groups=1, shrinkage=1.0)
    for level, length in ((1, 10.0), (2, 14.0)):
        bound = of(head, video=level)
        assert percentile(bound, length, length) == pytest.approx(0.8, abs=0.01)
        median = [
            bound.decode_median(torch.logit(torch.tensor([[p]])), torch.tensor([length])) for p in (0.65, 0.8, 0.95)
        ]
        np.testing.assert_allclose(torch.cat(median), length, atol=0.01)
        order = [
            float(bound.score(torch.logit(torch.tensor([[p]])), torch.tensor([length]))) for p in (0.5, 0.65, 0.8, 0.95)
        ]
        assert order == sorted(order) and len(set(order)) == 4


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
        assert decoded(of(head, user=7), 0.25, duration) == pytest.approx(np.quantile(own, 0.25), abs=2e-3)


def test_both_views_meet_as_probits_weighted_by_precision() -> None:
    labels = logs()
    shrinkage = 20.0
    head = of(make(labels, by="both", groups=2, tiers=1, shrinkage=shrinkage), video=5, user=7)
    total, precision = 0.0, 0.0
    for view, level in (("video", 5), ("user", 7)):
        single = of(make(labels, by=view, groups=2, tiers=1, shrinkage=shrinkage), **{view: level})
        rows = (labels.levels[f"{view}_id"] == level).sum() + shrinkage
        total, precision = total + rows * norm.ppf(percentile(single, 11.0, 30.0)), precision + rows
    expected = norm.cdf(total / precision)
    assert percentile(head, 11.0, 30.0) == pytest.approx(expected, rel=1e-4)
    assert decoded(head, expected, 30.0) == pytest.approx(11.0, abs=0.02)


@pytest.mark.parametrize("by", ["video", "user", "both"])
def test_the_percentile_of_a_decode_is_the_prediction(by: str) -> None:
    head = of(make(logs(), by=by), video=8, user=3)
    for level in (0.05, 0.31, 0.5, 0.77, 0.95):
        assert percentile(head, decoded(head, level, 60.0), 60.0) == pytest.approx(level, abs=2e-3)


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


@pytest.mark.slow
def test_a_ranker_reads_the_cohorts_of_its_rows_and_exports_them(
    schema: InputSchema, batch: Callable[..., Batch]
) -> None:
    rows, places = batch(64, seed=1), {name: place for place, (name, _) in enumerate(schema.fields)}
    levels = {
        name: (rows.ids_BF[:, places[name]] - schema.offsets[places[name]]).numpy() for name in ("user_id", "video_id")
    }
    recipe = Recipe.model_validate(
        {"head": {"kind": "rad", "by": "user", "least_rows": 2, "shrinkage": 1.0, "tiers": 1}}
    )
    labels = TrainLabels(rows.watch_B.double().numpy(), rows.duration_B.double().numpy(), levels)
    torch.manual_seed(0)
    ranker = Ranker(recipe, schema, recipe.fit_head_state(labels)).eval()
    asked = batch(9, seed=2)
    found = ranker.predict(asked).score_B
    h = ranker(asked)["watch_time"]
    of_groups = ranker.head.of(lambda field: torch.zeros(9, dtype=torch.int64)).score(h, asked.duration_B)
    assert not torch.allclose(found, of_groups, atol=0.1)
    program = export_ranker(ranker, batch(4, seed=3)).module()
    exported = program(asked.ids_BF, asked.dense_BN, asked.duration_B, history_tensors(ranker, asked))
    torch.testing.assert_close(exported["score"], found)
