"""The ranker: one recipe as one torch module, from a batch to losses or predictions.

Shape legend: B rows, F categorical fields, E encoder output width, O outputs of a head.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.balance import BALANCES
from models.batch import Batch
from models.by_task import ByTask
from models.encoders import ENCODERS
from models.encoders.base import Encoded
from models.heads import HEADS
from models.heads.base import LabelState
from models.objectives import OBJECTIVES
from models.objectives.base import TaskRows
from models.recipe import WATCH_TIME, Recipe
from models.schema import InputSchema
from models.towers import Tower, TowerConfig
from models.trunks import TRUNKS

__all__ = ["InputSchema", "Predictions", "Ranker"]


@dataclass(frozen=True)
class Predictions:
    """What a ranker says about the rows of a batch, before calibration.

    Attributes:
        score_B: ranking score; only its order means something.
        mean_B: seconds in [0, duration], None where the head has no native mean.
        median_B: seconds in [0, duration], None where the head has no native median.
        probability: binary task -> probability [B]; frozen tasks are absent.
    """

    score_B: Tensor
    mean_B: Tensor | None
    median_B: Tensor | None
    probability: dict[str, Tensor]


class Ranker(nn.Module):
    """Encoder, trunk, towers, head, objectives and balance of one recipe.

    The same `torch.manual_seed` before construction gives the same weights.

    Args:
        recipe: which parts.
        schema: shape of the input.
        head_state: what the head learned from train labels, see `Head.fit_state`.
        frozen_tasks: binary tasks with too few positives (`Recipe.frozen_tasks`): not trained and not predicted.
    """

    def __init__(
        self, recipe: Recipe, schema: InputSchema, head_state: LabelState, frozen_tasks: Collection[str] = ()
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.schema = schema
        self.tasks = recipe.task_names
        self.trained_tasks = tuple(task for task in self.tasks if task not in frozen_tasks)
        self.encoder = ENCODERS[recipe.encoder.kind](recipe.encoder, schema)
        self.trunk = TRUNKS[recipe.trunk.kind](recipe.trunk, self.encoder.shape, self.tasks)
        self.head = HEADS[recipe.head.kind](recipe.head, head_state)
        self.towers = ByTask({task: Tower(recipe.tower, self.trunk.width, self._outputs(task)) for task in self.tasks})
        objective = OBJECTIVES[recipe.objective.kind]
        self.objectives = ByTask({task: objective(recipe.objective, recipe.propensity) for task in self.tasks})
        self.auxiliary = ByTask({task: self._auxiliary_towers() for task in self.tasks})
        weights = {task: recipe.tasks[task].weight for task in self.tasks}  # type: ignore[index]
        self.balance = BALANCES[recipe.balance.kind](recipe.balance, weights)
        for task in set(self.tasks) - set(self.trained_tasks):
            self.towers[task].requires_grad_(False)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the raw outputs of every task, [B, O]: one logit for a binary task."""
        return self._raw(self.encoder(batch))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the scalar loss of every trained task, after the objective.

        Raises:
            FloatingPointError: if a loss is not finite; the message names the task.
            ValueError: if the objective weighs by propensities and the batch has none.
        """
        encoded = self.encoder(batch)
        raw = self._raw(encoded)
        losses = {
            task: self.objectives[task](self._rows(task, raw[task], encoded, batch)) for task in self.trained_tasks
        }
        _refuse_non_finite(losses)
        return losses

    @torch.no_grad()
    def predict(self, batch: Batch) -> Predictions:
        """Return predictions before calibration. The caller puts the module in evaluation mode."""
        raw = self(batch)
        out_BO = raw[WATCH_TIME]
        return Predictions(
            score_B=self.head.score(out_BO, batch.duration_B),
            mean_B=self.head.decode_mean(out_BO, batch.duration_B),
            median_B=self.head.decode_median(out_BO, batch.duration_B),
            probability={
                task: torch.sigmoid(raw[task][:, 0].float()) for task in self.trained_tasks if task != WATCH_TIME
            },
        )

    def diagnostics(self, batch: Batch) -> dict[str, float]:
        """Return the trunk's numbers worth logging (gate entropies ...)."""
        return self.trunk.diagnostics(self.encoder(batch))

    def embedding_parameters(self) -> list[nn.Parameter]:
        """Return the packed tables, whose gradients are row-sparse."""
        tables = [module for module in self.modules() if isinstance(module, nn.Embedding) and module.sparse]
        return [parameter for table in tables for parameter in table.parameters()]

    def dense_parameters(self) -> list[nn.Parameter]:
        """Return every other parameter."""
        packed = {id(parameter) for parameter in self.embedding_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in packed]

    def undecayed_parameters(self) -> list[nn.Parameter]:
        """Return the dense parameters that weight decay must not touch: those of objectives and balance."""
        return [*self.objectives.parameters(), *self.balance.parameters()]

    def shared_parameters(self) -> list[nn.Parameter]:
        """Return the dense parameters that more than one task trains."""
        packed = {id(parameter) for parameter in self.embedding_parameters()}
        encoder = [parameter for parameter in self.encoder.parameters() if id(parameter) not in packed]
        return encoder + self.trunk.shared_parameters()

    def _outputs(self, task: str) -> int:
        return self.head.num_outputs if task == WATCH_TIME else 1

    def _auxiliary_towers(self) -> nn.ModuleDict:
        requested = OBJECTIVES[self.recipe.objective.kind].auxiliary_towers
        width, dropout = self.encoder.shape.width, self.recipe.tower.dropout
        return nn.ModuleDict(
            {tower.name: Tower(TowerConfig(hidden=tower.hidden, dropout=dropout), width, 1) for tower in requested}
        )

    def _raw(self, encoded: Encoded) -> dict[str, Tensor]:
        h = self.trunk(encoded)
        return self.trunk.couple({task: self.towers[task](h[task]) for task in self.tasks})

    def _rows(self, task: str, out_BO: Tensor, encoded: Encoded, batch: Batch) -> TaskRows:
        """Gather what the objective may read about one task."""
        if self.objectives[task].weighs_by_propensity and batch.propensity_B is None:
            raise ValueError(f"objective {self.recipe.objective.kind!r} weighs by propensity, but the batch has none")
        ones_B = torch.ones_like(batch.duration_B)
        label_B = _label(task, batch)
        return TaskRows(
            out_BO=out_BO,
            label_B=label_B,
            loss_B=self._row_loss(task, batch, out_BO, label_B),
            observed_B=ones_B if batch.observed_B is None else batch.observed_B,
            propensity_B=ones_B if batch.propensity_B is None else batch.propensity_B,
            random_B=torch.zeros_like(ones_B, dtype=torch.bool) if batch.random_B is None else batch.random_B,
            loss_for=partial(self._row_loss, task, batch),
            label_of=partial(_label_of, task, batch),
            auxiliary={name: tower(encoded.flat_BE)[:, 0] for name, tower in self.auxiliary[task].items()},
        )

    def _row_loss(self, task: str, batch: Batch, out_BO: Tensor, target_B: Tensor) -> Tensor:
        if task == WATCH_TIME:
            return self.head.loss(out_BO, target_B, batch.duration_B)
        return functional.binary_cross_entropy_with_logits(out_BO[:, 0].float(), target_B, reduction="none")


def _refuse_non_finite(losses: dict[str, Tensor]) -> None:
    """Raise FloatingPointError if a loss is not finite; one look at the device for all tasks."""
    values = torch.stack([loss.detach() for loss in losses.values()]).tolist()
    broken = {task: value for task, value in zip(losses, values, strict=True) if not math.isfinite(value)}
    if broken:
        raise FloatingPointError(f"the loss is not finite: {broken}")


def _label(task: str, batch: Batch) -> Tensor:
    """Return the labels of one task, [B]."""
    if task != WATCH_TIME:
        return batch.labels[task]
    assert batch.watch_B is not None
    return batch.watch_B


def _label_of(task: str, batch: Batch, logit_B: Tensor) -> Tensor:
    """Return an auxiliary tower's logits on the scale of the task's label, [B]."""
    share_B = torch.sigmoid(logit_B.float())
    return share_B * batch.duration_B if task == WATCH_TIME else share_B
