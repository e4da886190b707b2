"""One fit of a model of sequences: epochs, stopping, and the scores of all candidates.

Shape legend: B users, L steps, J judged users, C candidates.
"""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.sequence.models import SEQUENCE_MODELS
from benchmarks.sequence.models.base import SequenceModel
from benchmarks.sequence.protocol.config import SequenceMethod
from benchmarks.sequence.protocol.padding import left_padded
from benchmarks.sequence.protocol.sampling import SequenceSampler
from benchmarks.sequence.protocol.scoring import statistics
from benchmarks.sequence.protocol.split import Candidates, Sequences, SequenceSplit
from models.early_stopping import EarlyStopping
from tasks.evaluate.metrics.inputs import FloatArray

_USERS_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class FittedSequences:
    """What a fit gave.

    Attributes:
        test_C: [C] scores of the test candidates.
        validation_C: [C] scores of the validation candidates.
        criterion: best validation metric, higher is better.
        best_epoch: where it was reached, from 1.
        epochs: epochs trained.
    """

    test_C: FloatArray
    validation_C: FloatArray
    criterion: float
    best_epoch: int
    epochs: int


def fit_sequences(data: SequenceSplit, method: SequenceMethod, seed: int) -> FittedSequences:
    """Fit one seed; the same arguments give the same bytes.

    Args:
        data: the split; its test part selects nothing.
        method: the model and how to train it.
        seed: of the start, the batches, the negatives and dropout.

    Raises:
        ValueError: if there is nothing to learn from or no user to validate on.
        FloatingPointError: if the loss is not finite.
    """
    if not data.validation.user_J.size:
        raise ValueError("no user has a held-out positive to validate on")
    training = method.training
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    model = SEQUENCE_MODELS[method.model.kind](method.model, data.num_items, training.max_length)
    sampler = SequenceSampler(data, training.batch_size, training.max_length, training.sorted_batches)
    optimizer = torch.optim.Adam(model.parameters(), lr=training.learning_rate, betas=training.betas, fused=True)
    stopping = EarlyStopping[SequenceModel](training.max_epochs, training.patience)
    while not stopping.exhausted:
        _train_epoch(model, sampler, optimizer, generator)
        score_C = candidate_scores(model, data.sequences, data.validation, training.max_length)
        metric = statistics(data.validation, score_C)[training.criterion].value
        stopping.improved(-metric, lambda: copy.deepcopy(model))
    best = stopping.kept
    assert best is not None and stopping.best is not None
    return FittedSequences(
        test_C=candidate_scores(best, data.sequences, data.test, training.max_length),
        validation_C=candidate_scores(best, data.sequences, data.validation, training.max_length),
        criterion=-stopping.best,
        best_epoch=stopping.best_epoch,
        epochs=stopping.epoch,
    )


@torch.no_grad()
def candidate_scores(model: SequenceModel, sequences: Sequences, candidates: Candidates, max_length: int) -> FloatArray:
    """Return the scores of candidates after the positives that come before, [C]; the model is left in evaluation mode.

    Args:
        model: any model of sequences.
        sequences: the positives; only read.
        candidates: what is ranked.
        max_length: steps of a history.
    """
    model.eval()
    score_C = np.empty(len(candidates.row_C))
    end_J = np.cumsum(np.bincount(candidates.row_C, minlength=len(candidates.user_J)))
    by_length_J = np.argsort(candidates.known_J, kind="stable")
    for start in range(0, len(by_length_J), _USERS_AT_ONCE):
        judged = by_length_J[start : start + _USERS_AT_ONCE]
        item_BL = left_padded(
            sequences.item_T, sequences.start_U[candidates.user_J[judged]], candidates.known_J[judged], max_length
        )
        before_B = np.where(judged > 0, end_J[judged - 1], 0)
        count_B = end_J[judged] - before_B
        row_C = np.repeat(np.arange(len(judged)), count_B)
        rows = np.arange(count_B.sum()) + np.repeat(before_B - (np.cumsum(count_B) - count_B), count_B)
        predicted = model.predict(*(torch.from_numpy(code) for code in (item_BL, row_C, candidates.item_C[rows])))
        score_C[rows] = predicted.double().numpy()
    return score_C


def _train_epoch(
    model: SequenceModel, sampler: SequenceSampler, optimizer: torch.optim.Optimizer, generator: np.random.Generator
) -> None:
    model.train()
    total = torch.zeros(())
    for batch in sampler.epoch(generator):
        loss = model.loss(batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach()
    if not math.isfinite(float(total)):
        raise FloatingPointError(f"the loss of an epoch sums to {float(total)}: lower training.learning_rate")
