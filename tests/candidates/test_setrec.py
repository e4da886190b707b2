"""SETRec in a world of planted taste whose last videos are new: content finds them, other videos' content does not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.retrieval.watched import NONE, past_of_users
from tasks.candidates.audience import Audience
from tasks.candidates.config import LightGcnConfig, SetRecConfig
from tasks.candidates.proposers.setrec import Mixing, SetRecSlots, dealt
from tasks.candidates.registry import PROPOSERS
from tasks.core.errors import TrainingError
from tests.candidates.world import NEW, USERS, VIDEOS, WithNew

CONFIG = SetRecConfig(
    vectors=LightGcnConfig(loss="bpr", width=8, batch_size=512, max_epochs=8, patience=8),
    semantic=2,
    width=16,
    hidden=32,
    history=6,
    dropout=0.0,
    learning_rate=0.01,
    betas=(0.0, 0.3, 0.7, 1.0),
    max_epochs=15,
    patience=15,
)


WORLD = WithNew()


def fit(config: SetRecConfig = CONFIG) -> SetRecSlots:
    fitted = WORLD.fit(config)
    assert isinstance(fitted, SetRecSlots)
    return fitted


@pytest.fixture(scope="module")
def fitted() -> SetRecSlots:
    torch.set_num_threads(1)
    return fit()


@pytest.mark.slow
def test_content_finds_new_videos_and_content_of_others_does_not(fitted: SetRecSlots) -> None:
    alone = WORLD.recalls(fitted.mixed(Mixing(0.0, 0.0)))
    mixed, permuted = WORLD.recalls(fitted), WORLD.recalls(fit(CONFIG.model_copy(update={"permuted": True})))
    gain = mixed["new"] - alone["new"]
    assert gain > 0.2, (mixed, alone)
    assert permuted["new"] - alone["new"] < gain / 5, (permuted, alone)
    assert mixed["all"] > alone["all"], "places that new videos take are worth it"


@pytest.mark.slow
def test_without_content_it_is_the_collaborative_slot_alone_bit_by_bit(fitted: SetRecSlots) -> None:
    """A fit that may choose nothing but 0 is the same fit; its scores are the logits of one slot."""
    audience = WORLD.later(3).audience
    alone = fit(CONFIG.model_copy(update={"betas": (0.0,)}))
    assert alone.mixing == Mixing(0.0, 0.0)
    scores = alone.scores(audience)
    assert scores.tobytes() == fitted.mixed(Mixing(0.0, 0.0)).scores(audience).tobytes()
    past = past_of_users(WORLD.watches, CONFIG.history)[audience.user_N]
    knows = (past != NONE).any(axis=1)
    collaborative, semantic = fitted.model.logits(torch.from_numpy(past[knows]))
    assert scores[knows].tobytes() == collaborative.numpy().tobytes()
    assert fitted.mixed(Mixing(1.0, 1.0)).scores(audience)[knows].tobytes() == semantic.numpy().tobytes()


@pytest.mark.slow
def test_betas_are_those_that_the_validation_day_finds_best(fitted: SetRecSlots) -> None:
    warm = [WORLD.judge(fitted.mixed(Mixing(beta, None))) for beta in CONFIG.betas]
    assert fitted.mixing.warm == CONFIG.betas[int(np.argmax(warm))]
    cold = [WORLD.judge(fitted.mixed(Mixing(fitted.mixing.warm, beta))) for beta in CONFIG.betas]
    assert fitted.mixing.cold == CONFIG.betas[int(np.argmax(cold))] > 0
    assert fitted.chosen == {"beta, watched videos": fitted.mixing.warm, "beta, other videos": fitted.mixing.cold}
    lists = fitted.mixed(Mixing(0.3, None)).propose(WORLD.later(3).audience, VIDEOS)
    assert lists.max() < fitted.model.watched, "no cold beta: only what was watched"


@pytest.mark.slow
def test_nobody_gets_what_was_shown_and_who_watched_nothing_gets_what_is_popular(fitted: SetRecSlots) -> None:
    watches = WORLD.watches
    user_id = np.array([3, USERS + 5])
    audience = Audience.of(watches, user_id, np.repeat(user_id, 2), np.tile(watches.video_id_V[[0, 2]], 2))
    known, unknown = fitted.propose(audience, 10)
    assert unknown.tolist() == [1, *range(3, 12)]
    assert not {0, 2} & set(known) and NONE not in known


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits() -> None:
    short = CONFIG.model_copy(update={"max_epochs": 1})
    one, same, other = (fit(short.model_copy(update={"seed": seed})) for seed in (0, 0, 1))
    scores = [of.mixed(Mixing(0.5, 0.5)).scores(WORLD.later(3).audience).tobytes() for of in (one, same, other)]
    assert scores[0] == scores[1] != scores[2]


def test_new_videos_stand_at_the_end_of_the_catalogue_and_codes_stay() -> None:
    watches, known = WORLD.watches, WORLD.watches.of_fit_days
    assert watches.num_new == NEW and watches.num_known == known.num_videos == VIDEOS - NEW and known.num_new == 0
    assert watches.video_id_V[: VIDEOS - NEW].tolist() == known.video_id_V.tolist()
    assert watches.video_id_V[VIDEOS - NEW :].tolist() == list(range(VIDEOS - NEW, VIDEOS))
    assert known.of_fit_days is known and not watches.watchers[VIDEOS - NEW :].any()
    ids = np.arange(VIDEOS - NEW)
    assert watches.videos(ids).tolist() == known.videos(ids).tolist()
    assert watches.content_VC is not None and known.content_VC is not None
    assert np.array_equal(watches.content_VC[: VIDEOS - NEW], known.content_VC)


def test_content_is_dealt_among_those_that_have_some() -> None:
    content = np.arange(12, dtype=np.float32).reshape(6, 2)
    content[2] = np.nan
    found = dealt(content, 0)
    assert np.isnan(found[2]).all() and not np.array_equal(found, content, equal_nan=True)
    assert sorted(found[[0, 1, 3, 4, 5]].tolist()) == content[[0, 1, 3, 4, 5]].tolist()


def test_without_content_it_is_refused_in_words() -> None:
    watches = replace(WORLD.watches.of_fit_days, content_VC=None)
    with pytest.raises(TrainingError, match="proposers of kind setrec: the table holds no content of videos"):
        PROPOSERS["setrec"].fit(watches, CONFIG, WORLD.judge)


def test_a_world_of_new_videos_has_watches_of_them_later_and_none_before() -> None:
    later = WORLD.later(3)
    assert (later.video_P >= WORLD.watches.num_known).mean() > 0.1
    assert WORLD.watches.user_P.size > 1000
