import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.sequence.models import SEQUENCE_MODELS
from benchmarks.sequence.protocol.config import SequenceMethod
from benchmarks.sequence.protocol.fit import FittedSequences, candidate_scores, fit_sequences
from benchmarks.sequence.protocol.scoring import statistics
from benchmarks.sequence.protocol.split import SequenceSplit, split
from models.early_stopping import EarlyStopping
from tests.benchmarks.sequence_protocol.conftest import written

KINDS = sorted(SEQUENCE_MODELS)


def fitted(data: SequenceSplit, kind: str, seed: int = 0, max_epochs: int = 2, **options: object) -> FittedSequences:
    training = {"max_epochs": max_epochs, "batch_size": 16, "learning_rate": 1e-2, "max_length": 20}
    model = {"kind": kind, "embedding_dim": 16, "dropout": 0.1, **options}
    return fit_sequences(data, SequenceMethod.model_validate({"model": model, "training": training}), seed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_model_learns_which_half_a_user_watches(halves: SequenceSplit, kind: str) -> None:
    found = statistics(halves.test, fitted(halves, kind, max_epochs=15, skip_margin=True).test_C)
    assert found["auc"].value > 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(halves: SequenceSplit, kind: str) -> None:
    first, again, other = (fitted(halves, kind, seed) for seed in (1, 1, 2))
    assert first.test_C.tobytes() == again.test_C.tobytes()
    assert first.test_C.tobytes() != other.test_C.tobytes()


def test_the_test_part_selects_nothing(halves: SequenceSplit) -> None:
    shuffled = replace(halves.test, item_C=np.random.default_rng(0).integers(1, 41, len(halves.test.item_C)))
    first, second = fitted(halves, "sine"), fitted(replace(halves, test=shuffled), "sine")
    assert first.validation_C.tobytes() == second.validation_C.tobytes()
    assert first.criterion == second.criterion


def test_evaluation_changes_no_history(halves: SequenceSplit) -> None:
    """In public code every evaluation appends to the lists of the users, so that repeated ones see other histories."""
    torch.manual_seed(0)
    model = SEQUENCE_MODELS["gru4rec"](SEQUENCE_MODELS["gru4rec"].Config(embedding_dim=8), halves.num_items, 20)
    before = copy.deepcopy(halves.sequences)
    first, second = (candidate_scores(model, halves.sequences, halves.test, 20) for _ in "ab")
    assert first.tobytes() == second.tobytes()
    for name in ("item_T", "skip_T", "start_U", "count_U", "train_U"):
        assert np.array_equal(getattr(before, name), getattr(halves.sequences, name))


def test_candidates_are_scored_after_their_own_users_positives(halves: SequenceSplit) -> None:
    torch.manual_seed(0)
    model = SEQUENCE_MODELS["sasrec"](SEQUENCE_MODELS["sasrec"].Config(embedding_dim=8), halves.num_items, 20).eval()
    for candidates in (halves.validation, halves.test):
        score_C = candidate_scores(model, halves.sequences, candidates, 20)
        for row in (0, 7, len(candidates.user_J) - 1):
            start = halves.sequences.start_U[candidates.user_J[row]]
            line = halves.sequences.item_T[start : start + candidates.known_J[row]][-20:]
            mine = candidates.row_C == row
            item_N = torch.from_numpy(candidates.item_C[mine])
            expected = model.predict(torch.from_numpy(line)[None], torch.zeros_like(item_N), item_N)
            assert np.allclose(score_C[mine], expected.numpy(), atol=1e-6)


def test_the_history_of_the_test_holds_the_validation_positive(halves: SequenceSplit) -> None:
    assert (halves.test.known_J == halves.validation.known_J + 1).all()


def test_patience_counts_epochs_in_a_row() -> None:
    """In public code the counter is never reset, so that stopping counts all epochs without an improvement."""
    stopping = EarlyStopping[int](max_epochs=100, patience=2)
    curve = [0.5, 0.4, 0.6, 0.5, 0.7, 0.6, 0.8, 0.7, 0.8]
    improved = []
    while not stopping.exhausted:
        improved.append(stopping.improved(-curve[stopping.epoch], lambda: stopping.epoch))
    assert stopping.epoch == len(curve)
    assert (stopping.best_epoch, stopping.best, stopping.kept) == (7, -0.8, 7)
    assert improved == [True, False, True, False, True, False, True, False, False]
    short = EarlyStopping[int](max_epochs=1, patience=9)
    short.improved(-0.1, lambda: short.epoch)
    assert short.exhausted


@pytest.mark.slow
def test_the_best_epoch_is_kept(halves: SequenceSplit) -> None:
    longer = fitted(halves, "din", max_epochs=12)
    exact = fitted(halves, "din", max_epochs=longer.best_epoch)
    assert exact.test_C.tobytes() == longer.test_C.tobytes()
    assert statistics(halves.validation, longer.validation_C)["auc"].value == longer.criterion


def test_one_judged_user_and_one_sequence_are_enough() -> None:
    data = split(written("p1 s2 p3 s4 p5 s6 p7"))
    result = fitted(data, "sine")
    assert np.isfinite(result.test_C).all()
    assert result.test_C.shape == (2,)


def test_nobody_to_validate_on_is_an_error() -> None:
    with pytest.raises(ValueError, match="validate on"):
        fitted(split(written("p1 p2", "p3 s4")), "sasrec")


def test_a_loss_that_is_not_finite_stops_the_fit(halves: SequenceSplit) -> None:
    method = SequenceMethod.model_validate(
        {"model": {"kind": "sasrec"}, "training": {"learning_rate": 1e30, "batch_size": 16}}
    )
    with pytest.raises(FloatingPointError, match="learning_rate"):
        fit_sequences(halves, method, 0)
