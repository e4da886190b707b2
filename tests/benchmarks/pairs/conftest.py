"""A small catalogue with self-selected and random ratings, whose taste is known."""

import numpy as np
import pytest

from benchmarks.pairs.data import PairData, Ratings

NUM_USERS, NUM_ITEMS = 60, 40


def catalogue(seed: int = 0, test_rows: int = 16) -> PairData:
    """Return users who rate what they expect to like; the test rows are drawn uniformly."""
    generator = np.random.default_rng(seed)
    user_UF = np.eye(2)[generator.integers(0, 2, NUM_USERS)]
    item_IG = np.eye(3)[generator.integers(0, 3, NUM_ITEMS)]
    taste_UI = (
        generator.normal(0, 1, (NUM_USERS, 1))
        + generator.normal(0, 0.5, (1, NUM_ITEMS))
        + user_UF @ np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]]) @ item_IG.T
    )
    rating_UI = np.clip(np.rint(3 + taste_UI + generator.normal(0, 0.7, taste_UI.shape)), 1, 5).astype(np.int64)
    chosen_UI = generator.random(taste_UI.shape) < 1 / (1 + np.exp(1 - taste_UI))
    drawn_UI = generator.random(taste_UI.shape).argsort(axis=1).argsort(axis=1) < test_rows
    return PairData(
        "small", NUM_USERS, NUM_ITEMS, _rows(rating_UI, chosen_UI), _rows(rating_UI, drawn_UI), user_UF, item_IG
    )


def _rows(rating_UI: np.ndarray, mask_UI: np.ndarray) -> Ratings:
    user_B, item_B = np.nonzero(mask_UI)
    return Ratings(user_B, item_B, rating_UI[user_B, item_B])


@pytest.fixture(scope="session")
def small() -> PairData:
    return catalogue()
