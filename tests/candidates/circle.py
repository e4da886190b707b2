"""Users who watch the videos of a circle one after the other: what comes next is known to who reads the order of the past."""

import numpy as np

from tasks.candidates.audience import Audience, Later
from tasks.candidates.measure import Proposed, ndcg
from tasks.candidates.proposers.base import Judge, Proposer
from tasks.table.watches import Watches

USERS, VIDEOS, WATCHED, NEXT = 150, 30, 8, 1


def world(in_order: bool) -> tuple[Watches, Later]:
    """Every user watches eight videos of a circle from somewhere on, in order or in none, and the next one later."""
    random = np.random.default_rng(0)
    start_U = random.integers(0, VIDEOS, USERS)
    video_UW = (start_U[:, None] + np.arange(WATCHED)) % VIDEOS
    time_UW = np.arange(WATCHED) + np.zeros((USERS, 1), np.int64)
    if not in_order:
        time_UW = random.permuted(time_UW, axis=1)
    user_UW = np.broadcast_to(np.arange(USERS)[:, None], video_UW.shape)
    watched = np.ones(video_UW.size, dtype=bool)
    user, video = user_UW.ravel(), video_UW.ravel()
    watches = Watches.of(user, video, watched, time_UW.ravel(), np.arange(VIDEOS))
    later_UN = (start_U[:, None] + WATCHED + np.arange(NEXT)) % VIDEOS
    audience = Audience.of(watches, np.arange(USERS), user, video)
    return watches, Later(audience, np.repeat(np.arange(USERS), NEXT), watches.videos(later_UN.ravel()), 0)


def judge_of(later: Later) -> Judge:
    return lambda proposer: ndcg(Proposed(proposer.propose(later.audience, 5), later))


def recall(proposer: Proposer, later: Later) -> float:
    proposed = Proposed(proposer.propose(later.audience, 1), later)
    return float((proposed.hits / proposed.relevant).mean())
