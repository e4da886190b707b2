from dataclasses import replace

import numpy as np
import pytest

from benchmarks.pairs.config import PairMethod
from benchmarks.pairs.data import PairData, Ratings
from benchmarks.pairs.fit import FittedPairs, fit_pairs
from benchmarks.pairs.models.model import what_pairs_lack
from benchmarks.pairs.splits import hold_out
from models.objectives import OBJECTIVES
from tasks.evaluate.metrics.classification import auc

RUNNABLE = [kind for kind, objective in OBJECTIVES.items() if what_pairs_lack(objective) is None]


def method(objective: str = "naive", scorer: str = "mf", **training: object) -> PairMethod:
    recipe = {"objective": {"kind": objective}, "scorer": {"kind": scorer}}
    return PairMethod.model_validate({"recipe": recipe, "training": {"max_epochs": 2, **training}})


def fitted(data: PairData, chosen: PairMethod, seed: int = 0) -> FittedPairs:
    fit, held_out = hold_out(data.train, 0.1, seed=0)
    rate_UI = np.full((data.num_users, data.num_items), len(data.train) / data.num_pairs)
    return fit_pairs(data, fit, held_out, rate_UI, chosen, seed)


@pytest.mark.parametrize("objective", RUNNABLE)
def test_every_objective_trains_and_predicts_probabilities(small: PairData, objective: str) -> None:
    result = fitted(small, method(objective))
    assert np.isfinite(result.score_UI).all()
    assert result.score_UI.std() > 0
    assert ((result.probability_UI >= 0) & (result.probability_UI <= 1)).all()
    flat_score, flat_probability = result.score_UI.ravel(), result.probability_UI.ravel()
    order = np.argsort(flat_score)
    assert (np.diff(flat_probability[order]) >= -1e-6).all()


@pytest.mark.slow
@pytest.mark.parametrize(("scorer", "least"), [("additive", 0.7), ("mf", 0.7), ("ncf", 0.56), ("crosses", 0.75)])
def test_scorers_learn_the_known_taste(small: PairData, scorer: str, least: float) -> None:
    result = fitted(small, method(scorer=scorer, max_epochs=60, decay=1e-4))
    score_B = result.score_UI[small.test.user_B, small.test.item_B]
    assert auc(small.liked(small.test), score_B).value > least


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(small: PairData) -> None:
    first, again, other = (fitted(small, method("dr_jl"), seed) for seed in (1, 1, 2))
    assert first.score_UI.tobytes() == again.score_UI.tobytes()
    assert first.score_UI.tobytes() != other.score_UI.tobytes()


def test_test_ratings_are_not_read(small: PairData) -> None:
    flipped = Ratings(small.test.user_B, small.test.item_B, 6 - small.test.rating_B)
    assert np.array_equal(
        fitted(small, method("dr_jl")).score_UI, fitted(replace(small, test=flipped), method("dr_jl")).score_UI
    )


def test_labels_of_held_out_ratings_are_not_learned_from(small: PairData) -> None:
    fit, held_out = hold_out(small.train, 0.1, seed=0)
    flipped = Ratings(held_out.user_B, held_out.item_B, 6 - held_out.rating_B)
    rate_UI = np.full((small.num_users, small.num_items), 0.3)
    one_epoch = method("dr_jl", max_epochs=1)
    first, second = (fit_pairs(small, fit, rows, rate_UI, one_epoch, 0) for rows in (held_out, flipped))
    assert np.array_equal(first.score_UI, second.score_UI)
    assert first.criterion != second.criterion


def test_patience_stops_and_the_best_epoch_is_kept(small: PairData) -> None:
    short = fitted(small, method(max_epochs=200, patience=2, learning_rate=0.1, decay=0.0))
    assert short.epochs < 60
    longer = fitted(small, method(max_epochs=short.epochs - 2, patience=2, learning_rate=0.1, decay=0.0))
    assert np.array_equal(short.score_UI, longer.score_UI)


def test_a_validation_criterion_needs_validation_ratings(small: PairData) -> None:
    rate_UI = np.full((small.num_users, small.num_items), 0.3)
    with pytest.raises(ValueError, match="needs validation ratings"):
        fit_pairs(small, small.train, None, rate_UI, method(), 0)
    result = fit_pairs(small, small.train, None, rate_UI, method(stop="train_loss", max_epochs=30), 0)
    assert result.epochs <= 30


def test_objectives_with_fields_apart_are_refused(small: PairData) -> None:
    for kind in set(OBJECTIVES) - set(RUNNABLE):
        with pytest.raises(ValueError, match=r"sets apart|draws or folds of a tower"):
            fitted(small, method(kind))
