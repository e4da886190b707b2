"""One fit of a pair model: epochs, stopping, and the scores of every pair of the catalogue.

Shape legend: B pairs, U users, I items, F user features, G item features.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.pairs.config import PairMethod, PairTraining
from benchmarks.pairs.data import FloatArray, PairData, Ratings
from benchmarks.pairs.models.base import PairInputs
from benchmarks.pairs.models.model import PairModel
from benchmarks.pairs.sampling import PairSampler, Sampling, pair_sampler
from models.early_stopping import EarlyStopping
from models.objectives import OBJECTIVES
from tasks.evaluate.metrics.classification import auc


@dataclass(frozen=True, eq=False)
class FittedPairs:
    """What a fit gave.

    Attributes:
        score_UI: [U, I] served scores, for ranking.
        probability_UI: [U, I] their probabilities under the objective's link.
        criterion: best value of the stopping criterion, lower is better.
        epochs: epochs trained.
        diagnostics: numbers that the objective learned.
    """

    score_UI: FloatArray
    probability_UI: FloatArray
    criterion: float
    epochs: int
    diagnostics: dict[str, float]


def fit_pairs(
    data: PairData, fit: Ratings, held_out: Ratings | None, propensity_UI: FloatArray, method: PairMethod, seed: int
) -> FittedPairs:
    """Fit one seed; the same arguments give the same bytes.

    Args:
        data: the catalogue; its test ratings are not read.
        fit: ratings to learn from.
        held_out: validation ratings; None only where the training loss stops the fit.
        propensity_UI: [U, I] exposure probabilities.
        method: the model and how to train it.
        seed: of the start and the batches.

    Raises:
        ValueError: if a criterion needs validation ratings and there are none.
        FloatingPointError: if the loss is not finite.
    """
    training = method.training
    if held_out is None and training.stop != "train_loss":
        raise ValueError(f"training.stop is {training.stop!r}, which needs validation ratings")
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = PairModel(method.recipe, _inputs(data, fit))
    sampler = pair_sampler(
        data, fit, held_out, propensity_UI, _sampling(method), training.batch_size, training.per_observed
    )
    optimizer = torch.optim.Adam(model.parameter_groups(training.decay), lr=training.learning_rate, fused=True)
    stopping = _stopping(training)
    while not stopping.exhausted:
        model.train()
        loss = _train_epoch(model, sampler, optimizer, generator)
        model.eval()
        criterion = loss if held_out is None else _criterion(model, data, held_out, method, loss)
        stopping.improved(criterion, lambda: model if training.stop == "train_loss" else copy.deepcopy(model))
    best = stopping.kept
    assert best is not None and stopping.best is not None
    score_B, probability_B = best.predict(*_all_pairs(data))
    shape = (data.num_users, data.num_items)
    return FittedPairs(
        score_UI=score_B.double().numpy().reshape(shape),
        probability_UI=probability_B.double().numpy().reshape(shape),
        criterion=stopping.best,
        epochs=stopping.epoch,
        diagnostics=best.objective.diagnostics(),
    )


class LastEpoch(EarlyStopping[PairModel]):
    """The rule of public code: stale epochs are counted in all, not in a row, and the last epoch is kept, not the best."""

    def __init__(self, max_epochs: int, patience: int, tolerance: float) -> None:
        super().__init__(max_epochs, patience)
        self.tolerance, self._stale = tolerance, 0

    def improved(self, value: float, state: Callable[[], PairModel]) -> bool:
        """Close an epoch; return whether it lowered the training loss by the tolerance at least."""
        last = math.inf if self.best is None else self.best
        is_stale = last - value < self.tolerance * (abs(last) + 1e-10)
        self.epoch += 1
        self._stale += is_stale
        self.best, self.best_epoch, self.kept = value, self.epoch, state()
        return not is_stale

    @property
    def exhausted(self) -> bool:
        return self.epoch >= self.max_epochs or self._stale > self.patience


def _stopping(training: PairTraining) -> EarlyStopping[PairModel]:
    if training.stop == "train_loss":
        return LastEpoch(training.max_epochs, training.patience, training.tolerance)
    return EarlyStopping(training.max_epochs, training.patience)


def _train_epoch(
    model: PairModel, sampler: PairSampler, optimizer: torch.optim.Optimizer, generator: torch.Generator
) -> float:
    """Return the mean loss of the epoch's batches."""
    total, steps = torch.zeros(()), 0
    for batch in sampler.epoch(generator):
        loss = model.loss(batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach()
        steps += 1
    mean = float(total) / steps
    if not math.isfinite(mean):
        raise FloatingPointError(f"the loss of an epoch is {mean}: lower training.learning_rate")
    return mean


def _criterion(model: PairModel, data: PairData, held_out: Ratings, method: PairMethod, train_loss: float) -> float:
    if method.training.stop == "train_loss":
        return train_loss
    score_B, probability_B = model.predict(torch.from_numpy(held_out.user_B), torch.from_numpy(held_out.item_B))
    label_B = data.liked(held_out)
    if method.training.stop == "auc":
        return -auc(label_B, score_B.numpy()).value
    return log_loss(label_B, probability_B.double().numpy())


def log_loss(label_B: FloatArray, probability_B: FloatArray) -> float:
    """Return the mean negative log-likelihood, probabilities kept 1e-7 away from 0 and 1."""
    inside_B = np.clip(probability_B, 1e-7, 1 - 1e-7)
    return float(-np.where(label_B == 1, np.log(inside_B), np.log1p(-inside_B)).mean())


def _sampling(method: PairMethod) -> Sampling:
    if method.training.sampling != "auto":
        return method.training.sampling
    return "stratified" if OBJECTIVES[method.recipe.objective.kind].needs_unobserved else "observed"


def _inputs(data: PairData, fit: Ratings) -> PairInputs:
    mean = float(np.clip(data.liked(fit).mean(), 1e-3, 1 - 1e-3))
    return PairInputs(
        num_users=data.num_users,
        num_items=data.num_items,
        user_UF=torch.from_numpy(data.user_UF).float(),
        item_IG=torch.from_numpy(data.item_IG).float(),
        offset=math.log(mean / (1 - mean)),
    )


def _all_pairs(data: PairData) -> tuple[Tensor, Tensor]:
    user = torch.arange(data.num_users).repeat_interleave(data.num_items)
    return user, torch.arange(data.num_items).repeat(data.num_users)
