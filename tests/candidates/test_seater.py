"""SEATER on users who watch videos one after the other in a fixed order: what comes next is known to who reads the past."""

import numpy as np
import pytest
import torch

from models.retrieval.watched import NONE, examples, past_of_users
from tasks.candidates.audience import Audience
from tasks.candidates.config import PopularityConfig, SeaterConfig
from tasks.candidates.proposers.base import Proposer
from tasks.candidates.registry import PROPOSERS
from tasks.table.watches import Watches
from tests.candidates.circle import USERS, judge_of, recall, world

CONFIG = SeaterConfig(
    branching=4,
    tree="random",
    width=16,
    history=4,
    dropout=0.0,
    learning_rate=0.01,
    batch_size=128,
    max_epochs=8,
    patience=8,
)


@pytest.fixture(scope="module")
def fitted() -> Proposer:
    torch.set_num_threads(1)
    watches, later = world(in_order=True)
    return PROPOSERS["seater"].fit(watches, CONFIG, judge_of(later))


@pytest.mark.slow
def test_who_reads_the_order_knows_what_comes_next_and_who_reads_none_does_not(fitted: Proposer) -> None:
    watches, later = world(in_order=True)
    found = recall(fitted, later)
    popular = PROPOSERS["popularity"].fit(watches, PopularityConfig(), judge_of(later))
    assert found > 0.9 > 0.3 > recall(popular, later), found
    shuffled, disordered = world(in_order=False)
    of_no_order = PROPOSERS["seater"].fit(shuffled, CONFIG.model_copy(update={"max_epochs": 2}), judge_of(disordered))
    assert recall(of_no_order, disordered) < 0.5
    short = CONFIG.model_copy(update={"max_epochs": 1})
    one, same = (PROPOSERS["seater"].fit(watches, short, judge_of(later)) for _ in range(2))
    assert one.propose(later.audience, 5).tolist() == same.propose(later.audience, 5).tolist()


@pytest.mark.slow
def test_nobody_gets_what_was_shown_and_who_watched_nothing_gets_what_is_popular(fitted: Proposer) -> None:
    watches, _ = world(in_order=True)
    user_id = np.array([3, USERS + 1])
    audience = Audience.of(watches, user_id, np.repeat(user_id, 2), np.tile(watches.video_id_V[[0, 2]], 2))
    known, unknown = fitted.propose(audience, 6)
    assert not {0, 2} & set(known) and NONE not in known and len(set(known)) == 6
    assert unknown.tolist() == [1, 3, 4, 5, 6, 7]


def test_examples_are_what_was_watched_before_what_came_next() -> None:
    times = np.array([5, 1, 3, 2, 2])
    watches = Watches.of(np.array([7, 7, 7, 8, 9]), np.array([1, 2, 3, 1, 2]), np.ones(5, bool), times, np.arange(4))
    past, following = examples(watches, 2)
    code = {video: int(watches.videos(np.array([video]))[0]) for video in (1, 2, 3)}
    assert past.tolist() == [[NONE, code[2]], [code[2], code[3]]]
    assert following.tolist() == [code[3], code[1]]
    assert past_of_users(watches, 2).tolist() == [[code[3], code[1]], [NONE, code[1]], [NONE, code[2]]]
