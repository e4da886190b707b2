import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from benchmarks.pairs.blocks import FEATURES, IDS, blocks, exposure_factors
from benchmarks.pairs.data import PairData
from benchmarks.pairs.floors import one_hot_ids
from benchmarks.pairs.ordinal import OrdinalConfig, choose_scales, fit_ordinal


def test_block_scores_are_the_products_of_their_columns(small: PairData) -> None:
    generator = np.random.default_rng(0)
    user_B, item_B = generator.integers(0, small.num_users, 50), generator.integers(0, small.num_items, 50)
    names = (*IDS, *FEATURES, "exposure_crosses", "user_exposure_taste", "item_exposure_audience")
    for name, block in blocks(small, small.train, names, factors=3).items():
        weight = generator.normal(size=block.width)
        dense = np.einsum("bl,br->blr", block.user.toarray()[user_B], block.item.toarray()[item_B]).reshape(50, -1)
        assert np.allclose(block.rows(user_B, item_B).toarray(), dense), name
        assert np.allclose(block.scores(weight)[user_B, item_B], dense @ weight), name


def test_one_threshold_on_ids_is_a_logistic_regression(small: PairData) -> None:
    config = OrdinalConfig(scales={"user": 1, "item": 1}, other_thresholds=0)
    score_UI = fit_ordinal(small, small.train, config).score_UI
    design = one_hot_ids(small)
    reference = LogisticRegression(C=1, tol=1e-8, max_iter=5000)
    reference.fit(design[small.train.pairs(small.num_items)], small.liked(small.train))
    assert np.allclose(score_UI.ravel(), reference.decision_function(design), atol=0.02)


def test_a_scale_is_a_penalty(small: PairData) -> None:
    spread = [
        fit_ordinal(small, small.train, OrdinalConfig(scales={"user": scale, "item": 1})).score_UI.std()
        for scale in (0, 0.1, 1)
    ]
    assert spread[0] < spread[1] < spread[2]


@pytest.mark.slow
def test_the_search_finds_the_crosses_that_made_the_ratings(small: PairData) -> None:
    start = OrdinalConfig(scales={"user": 0.5, "item": 0.5, "crosses": 0})
    best, loss = choose_scales(small, small.train, start, (0, 0.2, 0.5, 1), sweeps=1, num_folds=3)
    _, before = choose_scales(small, small.train, start, (0, 0.2, 0.5, 1), sweeps=0, num_folds=3)
    assert best.scales["crosses"] > 0
    assert loss < before - 0.02


def test_exposure_factors_read_no_rating(small: PairData) -> None:
    user_UK, item_IK = exposure_factors(small, small.train, 4)
    assert user_UK.shape == (small.num_users, 4)
    assert item_IK.shape == (small.num_items, 4)
    swapped = type(small.train)(small.train.user_B, small.train.item_B, 6 - small.train.rating_B)
    assert np.array_equal(exposure_factors(small, swapped, 4)[0], user_UK)


def test_unknown_blocks_are_named(small: PairData) -> None:
    with pytest.raises(ValueError, match="unknown blocks"):
        blocks(small, small.train, ["magic"])
