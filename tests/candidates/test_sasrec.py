"""SASRec on users who watch videos one after the other in a fixed order: what comes next is known to who reads the past."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from models.retrieval.watched import NONE
from tasks.candidates.audience import Audience
from tasks.candidates.config import PopularityConfig, SasRecConfig
from tasks.candidates.proposers.base import Proposer
from tasks.candidates.registry import PROPOSERS
from tests.candidates.circle import USERS, judge_of, recall, world

CONFIG = SasRecConfig(width=16, history=8, dropouts=(0.0, 0.9), learning_rate=0.01, max_epochs=25, patience=25)


@pytest.fixture(scope="module")
def fitted() -> Proposer:
    torch.set_num_threads(1)
    watches, later = world(in_order=True)
    return PROPOSERS["sasrec"].fit(watches, CONFIG, judge_of(later))


@pytest.mark.slow
def test_who_reads_the_order_knows_what_comes_next_and_who_reads_none_does_not(fitted: Proposer) -> None:
    watches, later = world(in_order=True)
    popular = PROPOSERS["popularity"].fit(watches, PopularityConfig(), judge_of(later))
    assert recall(fitted, later) > 0.9 > 0.3 > recall(popular, later)
    shuffled, disordered = world(in_order=False)
    short = CONFIG.model_copy(update={"dropouts": (0.0,), "max_epochs": 8})
    of_no_order = PROPOSERS["sasrec"].fit(shuffled, short, judge_of(disordered))
    assert recall(of_no_order, disordered) < 0.5


@pytest.mark.slow
def test_the_validation_day_chooses_the_dropout_and_a_seed_its_bits(fitted: Proposer) -> None:
    assert fitted.chosen == {"dropout": 0.0}
    watches, later = world(in_order=True)
    short = CONFIG.model_copy(update={"max_epochs": 2})
    lists: Mapping[int, list[list[int]]] = {
        seed: PROPOSERS["sasrec"]
        .fit(watches, short.model_copy(update={"seed": seed % 2}), judge_of(later))
        .propose(later.audience, 5)
        .tolist()
        for seed in (0, 2, 1)
    }
    assert lists[0] == lists[2] != lists[1]


@pytest.mark.slow
def test_nobody_gets_what_was_shown_and_who_watched_nothing_gets_what_is_popular(fitted: Proposer) -> None:
    watches, _ = world(in_order=True)
    user_id = np.array([3, USERS + 1])
    audience = Audience.of(watches, user_id, np.repeat(user_id, 2), np.tile(watches.video_id_V[[0, 2]], 2))
    known, unknown = fitted.propose(audience, 6)
    assert not {0, 2} & set(known) and NONE not in known and len(set(known)) == 6
    assert unknown.tolist() == [1, 3, 4, 5, 6, 7]
