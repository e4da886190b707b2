"""Fit a factorisation machine, stopped on whatever the protocol stops on.

Shapes: B rows.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from benchmarks.fields.machine import FactorisationMachine
from benchmarks.fields.rows import FieldRows
from models.early_stopping import EarlyStopping
from tasks.evaluate.metrics.inputs import FloatArray


@dataclass(frozen=True)
class FieldTraining:
    """How it is fitted.

    Attributes:
        factors: K.
        batch_size: rows of a step.
        learning_rate: of Adam.
        max_epochs: at most.
        patience: epochs in a row without a better criterion before the fit stops.
    """

    factors: int = 16
    batch_size: int = 8192
    learning_rate: float = 1e-3
    max_epochs: int = 40
    patience: int = 4


@dataclass(frozen=True, eq=False)
class FittedMachine:
    """The best epoch's model, and which epoch that was."""

    model: FactorisationMachine
    best_epoch: int
    epochs: int


def fit_machine(
    rows: FieldRows,
    label_B: FloatArray,
    num_codes: int,
    training: FieldTraining,
    criterion: Callable[[FactorisationMachine], float],
    seed: int,
) -> FittedMachine:
    """Fit one seed on the log loss.

    Args:
        rows: of the fit.
        label_B: [B] 0/1.
        num_codes: codes of all fields.
        training: how.
        criterion: what the best epoch has most of.
        seed: of the start and the batches.

    Raises:
        FloatingPointError: if the loss of an epoch is not finite.
    """
    torch.manual_seed(seed)
    model, target_B = FactorisationMachine(num_codes, training.factors), torch.from_numpy(label_B).float()
    optimizer = torch.optim.Adam(model.parameters(), lr=training.learning_rate, fused=True)
    stopping = EarlyStopping[FactorisationMachine](training.max_epochs, training.patience)
    while not stopping.exhausted:
        total = torch.zeros(())
        order_B = torch.randperm(len(rows)).numpy()
        for start in range(0, len(rows), training.batch_size):
            index_N = order_B[start : start + training.batch_size]
            loss = functional.binary_cross_entropy_with_logits(model(rows, index_N), target_B[index_N])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach()
        if not bool(torch.isfinite(total)):
            raise FloatingPointError(f"the loss of an epoch sums to {float(total)}: lower the learning rate")
        stopping.improved(-criterion(model), lambda: copy.deepcopy(model))
    best = stopping.kept
    assert best is not None
    return FittedMachine(best, stopping.best_epoch, stopping.epoch)
