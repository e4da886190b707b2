"""Logs of feedback: written by hand, and drawn from users whose taste is known."""

import numpy as np
import polars as pl
import pytest
import torch

from benchmarks.sequence.protocol.feedback import NEUTRAL, POSITIVE, SKIP, FeedbackLog, feedback_log
from benchmarks.sequence.protocol.split import SequenceSplit, split

KINDS = {"n": NEUTRAL, "p": POSITIVE, "s": SKIP}
WATCH_MS = {"n": 5_000, "p": 15_000, "s": 500}


def written(*lines: str, num_items: int = 60) -> FeedbackLog:
    """Return the log of users whose rows are spelled like "p3 s4 n5": a positive of item 3, a skip of 4, ..."""
    rows = [(user, word) for user, line in enumerate(lines) for word in line.split()]
    return FeedbackLog(
        user_B=np.array([user for user, _ in rows]),
        item_B=np.array([int(word[1:]) for _, word in rows]),
        kind_B=np.array([KINDS[word[0]] for _, word in rows]),
        num_users=len(lines),
        num_items=num_items,
    )


def impressions(num_users: int = 80, num_items: int = 40, rows: int = 24, seed: int = 0) -> pl.DataFrame:
    """Return impressions of users who watch one of two halves of the catalogue and skip most of the other."""
    generator = np.random.default_rng(seed)
    user_B = np.repeat(np.arange(num_users), rows)
    item_B = generator.integers(num_items, size=len(user_B))
    liked_B = generator.random(len(user_B)) < np.where(user_B % 2 == item_B % 2, 0.9, 0.15)
    neutral_B = generator.random(len(user_B)) < 0.1
    watch_B = np.where(neutral_B, WATCH_MS["n"], np.where(liked_B, WATCH_MS["p"], WATCH_MS["s"]))
    return pl.DataFrame(
        {
            "user_id": user_B * 10,
            "video_id": item_B * 7 + 100,
            "event_time_ms": generator.permutation(len(user_B)) * 1000,
            "watch_ms": watch_B,
            "duration_ms": np.full(len(user_B), 20_000),
        }
    )


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tiny matrices on a shared machine: more threads only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def halves() -> SequenceSplit:
    return split(feedback_log(impressions()))
