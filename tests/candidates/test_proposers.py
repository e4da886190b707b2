"""Every proposer on a world of planted taste: what knows it beats what does not, and what is shuffled loses."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.retrieval.watched import NONE
from tasks.candidates.audience import Audience
from tasks.candidates.config import (
    CoOccurrenceConfig,
    DirectAuConfig,
    GacnConfig,
    LightGcnConfig,
    MetricConfig,
    PopularityConfig,
    RandomConfig,
)
from tasks.candidates.proposers.base import Proposer
from tasks.candidates.proposers.metric import Metric
from tasks.core.errors import TrainingError
from tests.candidates.world import USERS, VIDEOS, Planted

WORLD = Planted()
DIRECTAU = DirectAuConfig(width=16, batch_size=512, max_epochs=20, patience=20)
METRIC = MetricConfig(width=8, hidden=32, batch_size=512, max_epochs=10, patience=10)
LIGHTGCN = LightGcnConfig(width=16, batch_size=512, max_epochs=12, patience=12)
GACN = GacnConfig(width=16, batch_size=512, max_epochs=30, patience=30, neighbours=10, mu=30.0)
MARGIN = 0.1
"""Recall@20 that knowing taste gives over popularity in this world, at least."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def fitted() -> Mapping[str, Proposer]:
    configs = (PopularityConfig(), CoOccurrenceConfig(), RandomConfig(), DIRECTAU, LIGHTGCN, METRIC, GACN)
    return {config.kind: WORLD.fit(config) for config in configs}


def recall(proposer: Proposer, world: Planted = WORLD) -> float:
    proposed = world.proposed(proposer)
    return float((proposed.hits / proposed.relevant).mean())


@pytest.mark.slow
def test_planted_taste_beats_popularity_which_beats_chance(fitted: Mapping[str, Proposer]) -> None:
    found = {kind: recall(proposer) for kind, proposer in fitted.items()}
    assert found["random"] == pytest.approx(20 / VIDEOS, abs=0.02)
    assert found["popularity"] > found["random"] + 0.05
    assert found["directau"] > found["popularity"] + MARGIN, found
    assert found["lightgcn"] > found["popularity"] + MARGIN, found
    assert found["metric"] > found["popularity"] + MARGIN, found
    assert found["gacn"] > found["popularity"] + MARGIN, found
    assert found["co_occurrence"] > found["popularity"] + MARGIN, found


@pytest.mark.slow
def test_of_shuffled_users_nothing_is_learned() -> None:
    shuffled = Planted(shuffled=True)
    assert recall(shuffled.fit(DIRECTAU), shuffled) < recall(shuffled.fit(PopularityConfig()), shuffled)


@pytest.mark.slow
def test_of_the_content_of_other_videos_little_is_learned(fitted: Mapping[str, Proposer]) -> None:
    others = Planted(others=True)
    assert recall(others.fit(METRIC), others) < recall(fitted["metric"]) - MARGIN


@pytest.mark.slow
def test_a_video_without_content_is_not_proposed_by_distance() -> None:
    content_VC = np.array(WORLD.watches.content_VC)
    content_VC[[0, 5]] = np.nan
    watches = replace(WORLD.watches, content_VC=content_VC)
    metric = Metric.fit(watches, METRIC.model_copy(update={"max_epochs": 1}), WORLD.judge)
    audience = Audience.of(watches, np.array([3]), np.empty(0, np.int64), np.empty(0, np.int64))
    proposed = metric.propose(audience, VIDEOS)[0]
    assert set(range(VIDEOS)) - set(proposed.tolist()) == {0, 5} and (proposed == NONE).sum() == 2
    with pytest.raises(TrainingError, match="proposers of kind metric: the table holds no content of videos"):
        Metric.fit(replace(watches, content_VC=None), METRIC, WORLD.judge)


@pytest.mark.slow
def test_without_uniformity_vectors_collapse_and_of_uniformity_alone_lists_are_chance(
    fitted: Mapping[str, Proposer],
) -> None:
    collapsed = WORLD.fit(DIRECTAU.model_copy(update={"gamma": 0.0})).health
    healthy = fitted["directau"].health
    assert collapsed is not None and healthy is not None
    learned = DIRECTAU.model_copy(update={"gamma": 1e6, "max_epochs": 3})
    assert recall(WORLD.fit(learned)) == pytest.approx(20 / VIDEOS, abs=0.04)
    assert healthy.uniformity_users < -2.5 and healthy.alignment < 1.5
    assert collapsed.uniformity_users > healthy.uniformity_users + 0.5
    assert len(healthy.alignment_by_activity) == len(healthy.uniformity_by_popularity) == 10


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_and_another_others() -> None:
    config = DIRECTAU.model_copy(update={"max_epochs": 2})
    one, same = WORLD.fit(config), WORLD.fit(config)
    other = WORLD.fit(config.model_copy(update={"seed": 1}))
    assert one.user_UD.tobytes() == same.user_UD.tobytes() != other.user_UD.tobytes()  # type: ignore[attr-defined]


def test_co_occurrence_is_the_summed_cosine_of_sets_of_watchers(fitted: Mapping[str, Proposer]) -> None:
    watches = WORLD.watches
    watchers = [set(watches.user_P[watches.video_P == video]) for video in range(watches.num_videos)]
    user = 7
    mine = watches.video_P[watches.user_P == user]
    by_hand = [
        sum(
            len(watchers[v] & watchers[w]) / max(np.sqrt(len(watchers[v]) * len(watchers[w])), 1)
            for w in mine
            if w != v
        )
        for v in range(watches.num_videos)
    ]
    audience = Audience.of(watches, np.array([user]), np.empty(0, np.int64), np.empty(0, np.int64))
    assert fitted["co_occurrence"].scores(audience)[0] == pytest.approx(by_hand, rel=1e-5)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["popularity", "co_occurrence", "directau", "lightgcn", "metric", "gacn"])
@pytest.mark.slow
def test_who_is_unknown_gets_what_is_popular_and_nobody_what_was_shown(
    fitted: Mapping[str, Proposer], kind: str
) -> None:
    watches = WORLD.watches
    user_id, shown = np.array([3, USERS + 5]), watches.video_id_V[[0, 2]]
    audience = Audience.of(watches, user_id, np.repeat(user_id, 2), np.tile(shown, 2))
    known, unknown = fitted[kind].propose(audience, 10)
    assert unknown.tolist() == [1, *range(3, 12)]
    assert not {0, 2} & set(known) and NONE not in known
    everything = Audience.of(watches, user_id[:1], np.repeat(user_id[:1], VIDEOS), watches.video_id_V)
    assert (fitted[kind].propose(everything, 10) == NONE).all()
