"""Which numbers of an embedding rows of a group use: weights learn on rows of the fit days, a factor per number on other rows
(docs/methods/compression.md#soft-selection).

Shapes: N rows of the table, C classes (a group of a field each, class 0 the rest), D embedding width.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from models.batch import Batch
from models.encoders.grouped import FieldWidths, GroupedTable, classes, grouped_tables
from models.ranker import Ranker
from models.recipe import Recipe
from models.schema import InputSchema
from tasks.core.errors import ConfigError
from tasks.train.config import TrainingConfig
from tasks.train.device import Device
from tasks.train.fit import fit_seed
from tasks.train.population import Population
from tasks.train.problem import FitProblem
from tasks.train.step import Step
from tasks.weekly.config import WidthsReview

Floats = NDArray[np.float64]
_TINY = 1e-8


@dataclass(frozen=True, eq=False)
class SoftSelection:
    """What a search found of every class.

    Attributes:
        alpha_CD: factor of every number, in [0, 1]; class 0 has ones.
        absorbed_CD: root mean square over the rows of a class of weight times factor, after the search.
        magnitude_CD: the same of the weights as they were before any factor moved.
    """

    alpha_CD: Floats
    absorbed_CD: Floats
    magnitude_CD: Floats

    def score(self, name: str) -> Floats:
        """Return what numbers are ranked by, [C, D]; factors that are equal, as at 1, by what they are factors of.

        Args:
            name: alpha, absorbed or magnitude.
        """
        scores = {"absorbed": self.absorbed_CD, "magnitude": self.magnitude_CD}
        if name in scores:
            return scores[name]
        score_CD: Floats = self.alpha_CD + _TINY * self.absorbed_CD / self.absorbed_CD.max(initial=_TINY)
        return score_CD


def grouped_recipe(recipe: Recipe, widths: Mapping[str, FieldWidths]) -> Recipe:
    """Return a recipe with groups of rows in its encoder, or without any.

    Raises:
        ConfigError: if its encoder has none, or another part of it does not go with groups.
    """
    if "widths" not in type(recipe.encoder).model_fields:
        raise ConfigError(f"encoder {recipe.encoder.kind!r} has no groups of rows: review another recipe")
    block = recipe.model_dump(mode="json")
    block["encoder"]["widths"] = {field: one.model_dump(mode="json") for field, one in widths.items()}
    try:
        return Recipe.model_validate(block)
    except ValidationError as error:
        raise ConfigError("; ".join(item["msg"] for item in error.errors())) from error


def whole_groups(schema: InputSchema, reads_N: Floats, width: int, config: WidthsReview) -> dict[str, FieldWidths]:
    """Return the groups of every field with enough rows, each of which keeps all numbers.

    Args:
        schema: which rows are whose.
        reads_N: reads of every row per fit day.
        width: D.
        config: shares of the groups, and how many rows are enough.
    """
    found = {}
    for (name, rows), begin in zip(schema.fields, schema.offsets, strict=True):
        if rows < config.least_rows:
            continue
        sorted_R = np.sort(reads_N[begin : begin + rows])
        last = np.cumsum(config.shares)[:-1]
        # Rows that are read equally often stay together: a bound that nothing lies below makes no group.
        cuts = np.unique(sorted_R[np.minimum((last * rows).astype(np.int64), rows - 1)])
        bounds = tuple((np.floor(1e4 * cuts[cuts > sorted_R[0]]) / 1e4).tolist())
        found[name] = FieldWidths(bounds=bounds, kept=(tuple(range(width)),) * (len(bounds) + 1))
    return found


def class_rows(schema: InputSchema, widths: Mapping[str, FieldWidths], reads_N: Floats) -> NDArray[np.int64]:
    """Return how many rows every class has, [C]."""
    num_classes = 1 + sum(len(one.kept) for one in widths.values())
    return np.bincount(classes(schema, widths, reads_N), minlength=num_classes)


def select(
    problem: FitProblem, training: TrainingConfig, config: WidthsReview, checkpoints: Path, seed: int
) -> SoftSelection:
    """Fit as usual, then let weights and factors take steps in turn.

    Args:
        problem: whose validation rows teach the factors: they may judge nothing that comes of this.
        training: settings of the fit.
        config: of the search.
        checkpoints: folder of the fit's checkpoint.
        seed: of weights and order.

    Raises:
        TrainingError: if a fit cannot go on.
    """
    torch.set_num_threads(training.threads)
    ranker = problem.master_ranker(fit_seed(problem, seed, training, checkpoints).weights)
    magnitude_CD = _root_mean_square(_table_of(ranker))
    take_turns(ranker, problem, training, config, seed)
    table = _table_of(ranker)
    return SoftSelection(table.scale_CD.double().cpu().numpy(), _root_mean_square(table), magnitude_CD)


def take_turns(ranker: Ranker, problem: FitProblem, training: TrainingConfig, config: WidthsReview, seed: int) -> None:
    """Let the weights of a fitted ranker take steps on fit rows and its factors steps on validation rows, in turn.

    Args:
        ranker: fitted, with grouped tables.
        problem: rows of both.
        training: settings of the weights' steps.
        config: of the factors'.
        seed: of the order of rows.
    """
    device = Device.of(training)
    ranker = device.place(ranker)
    step = Step(ranker, training, device)
    turn = _Turns(ranker, step, device, config)
    rows, others = (part.mapped(lambda split: split.on(device.name)) for part in (problem.fit, problem.validation))
    taught = _endless(others, training, seed)
    ranker.train()
    for epoch in range(config.epochs):
        # Epochs go on counting where those of the fit ended: other orders of the rows.
        for batch in rows.epoch(training.batch_size, training.shard_rows, seed, training.max_epochs + epoch):
            step(batch)
            turn(next(taught))
    step.optimizers.catch_up()


def _endless(rows: Population, training: TrainingConfig, seed: int) -> Iterator[Batch]:
    for number in itertools.count():
        yield from rows.epoch(training.batch_size, training.shard_rows, seed, number)


class _Turns:
    """Steps of the factors, which the tables of a ranker share."""

    def __init__(self, ranker: Ranker, step: Step, device: Device, config: WidthsReview) -> None:
        self._ranker, self._step, self._device, self._config = ranker, step, device, config
        self._tables = list(grouped_tables(ranker).values())

    def __call__(self, batch: Batch) -> None:
        """Move the factors of classes that a batch reads."""
        alpha_CD = self._tables[0].scale_CD.clone().requires_grad_()
        self._set(alpha_CD)
        self._step.optimizers.catch_up_rows(batch)
        self._ranker.eval()
        with self._device.autocast():
            loss = sum(self._ranker.losses(batch).values(), torch.zeros((), device=alpha_CD.device))
        (gradient_CD,) = torch.autograd.grad(loss, alpha_CD)
        self._ranker.train()
        self._set(moved(alpha_CD.detach(), gradient_CD, self._config.rate, self._config.l1))

    def _set(self, alpha_CD: Tensor) -> None:
        for table in self._tables:
            table.scale_CD = alpha_CD


def moved(alpha_CD: Tensor, gradient_CD: Tensor, rate: float, l1: float) -> Tensor:
    """Return factors after one step; class 0 and classes without a gradient stay.

    Every class has a step of the same mean size, so that those read often do not drown the others.
    """
    read_C1 = (gradient_CD != 0).any(dim=1, keepdim=True)
    read_C1[0] = False
    pulled_CD = gradient_CD + l1 * alpha_CD.sign()
    normal_CD = pulled_CD / (pulled_CD.abs().mean(dim=1, keepdim=True) + _TINY)
    return torch.where(read_C1, (alpha_CD - rate * normal_CD).clamp(0.0, 1.0), alpha_CD)


def _table_of(ranker: Ranker) -> GroupedTable:
    """Return the table of the shared encoder; those of tasks' own have the same factors."""
    return next(iter(grouped_tables(ranker).values()))


@torch.no_grad()
def _root_mean_square(table: GroupedTable) -> Floats:
    """Return the root mean square over the rows of every class of what is read of them, [C, D]; 0 where it has none."""
    square_ND = (table.weight * table.scales(torch.arange(len(table.class_N), device=table.weight.device))) ** 2
    class_N = table.class_N.long()
    sum_CD = torch.zeros(table.scale_CD.shape, dtype=torch.float64, device=square_ND.device)
    sum_CD.index_add_(0, class_N, square_ND.double())
    rows_C = torch.bincount(class_N, minlength=len(sum_CD)).clamp_min(1)
    return (sum_CD / rows_C[:, None]).sqrt().cpu().numpy()


def cut(score_CD: Floats, rows_C: NDArray[np.int64], keep: float) -> tuple[NDArray[np.bool_], float]:
    """Return which numbers classes keep, [C, D], and the score above which they do.

    Whole numbers of a class go, from the lowest score on, until no more than a share of all are left; class 0 keeps all.

    Args:
        score_CD: what each is worth.
        rows_C: rows of the class, for each of which a number is stored.
        keep: that share, of the numbers of grouped rows.
    """
    grouped_CD = score_CD[1:]
    order = np.argsort(-grouped_CD, axis=None, kind="stable")
    stored = np.cumsum(np.repeat(rows_C[1:], score_CD.shape[1])[order])
    fits = int(np.searchsorted(stored, keep * rows_C[1:].sum() * score_CD.shape[1], side="right"))
    kept_CD = np.ones(score_CD.shape, dtype=np.bool_)
    kept_CD[1:].flat[order[fits:]] = False
    return kept_CD, float(grouped_CD.flat[order[fits]]) if fits < len(order) else 0.0


def narrowed(
    whole: Mapping[str, FieldWidths], schema: InputSchema, kept_CD: NDArray[np.bool_]
) -> dict[str, FieldWidths]:
    """Return the groups with what each keeps.

    Args:
        whole: the groups, by field.
        schema: in whose order of fields classes are numbered.
        kept_CD: numbers of every class, class 0 first.
    """
    found, first = {}, 1
    for name in schema.names:
        if name in whole:
            groups = kept_CD[first : first + len(whole[name].kept)]
            kept = tuple(tuple(np.flatnonzero(kept_D).tolist()) for kept_D in groups)
            found[name] = FieldWidths(bounds=whole[name].bounds, kept=kept)
            first += len(groups)
    return found
