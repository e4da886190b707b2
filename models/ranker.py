"""The ranker: one recipe as one torch module, from a batch to losses or predictions.

Shape legend: B rows, F categorical fields, E encoder output width, O outputs of a head, S statistics of a label.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.adversary import DurationAdversary
from models.backbones import BACKBONES
from models.balance import BALANCES
from models.batch import Batch
from models.by_task import ByTask
from models.encoders import ENCODERS
from models.encoders.base import Embedded, Encoded, Encoder, EncoderInput, packed_tables
from models.heads import HEADS
from models.heads.base import Head, LabelState
from models.objectives import OBJECTIVES
from models.objectives.base import TaskRows
from models.ranking import RANKINGS
from models.ranking.base import ListedRows
from models.ranking.term import RankingTerm
from models.recipe import ADVERSARY, RANKING, WATCH_TIME, Recipe
from models.schema import InputSchema
from models.towers import Tower, TowerConfig
from models.trunks import TRUNKS

__all__ = ["InputSchema", "RankerOutputs", "Ranker", "refuse_non_finite"]


@dataclass(frozen=True)
class RankerOutputs:
    """What a ranker says about the rows of a batch, before calibration.

    Attributes:
        score_B: ranking score of the first head; only its order means something.
        mean_B: seconds in [0, `Head.longest`], of the first head that has a native mean; None where none has.
        median_B: seconds in [0, `Head.longest`], of the first head that has a native median; None where none has.
        probability: binary task -> probability [B]; frozen tasks are absent.
        further_scores: task of a further head -> its ranking score [B].
    """

    score_B: Tensor
    mean_B: Tensor | None
    median_B: Tensor | None
    probability: dict[str, Tensor]
    further_scores: dict[str, Tensor] = field(default_factory=dict)


class Ranker(nn.Module):
    """Encoder, backbone, trunk, towers, heads, objectives and balance of one recipe.

    The same `torch.manual_seed` before construction gives the same weights.

    Args:
        recipe: which parts.
        schema: shape of the input.
        head_state: what heads and adversaries learned from train labels, see `Recipe.fit_head_state`.
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
        self._objective = OBJECTIVES[recipe.objective.kind]
        _refuse_unencoded(recipe, schema)
        self._user_column, self._item_column = _column(schema, "user_id"), _column(schema, "video_id")
        self.encoder = self._own_encoder(events=BACKBONES[recipe.backbone.kind].reads_events)
        self.second_encoder = self._second_encoder()
        self.backbone = BACKBONES[recipe.backbone.kind](recipe.backbone, self.encoder.shape)
        self.trunk = TRUNKS[recipe.trunk.kind](recipe.trunk, self.backbone.shape, self.tasks)
        with_own = self.tasks if self.trunk.own_encoders else ()
        self.task_encoders = ByTask({task: self._own_encoder() for task in with_own})
        self.head, *further = (
            HEADS[head.kind](head, recipe.head_state(task, head_state)) for task, head in recipe.heads.items()
        )
        self.further_heads = ByTask(dict(zip(list(recipe.heads)[1:], further, strict=True)))
        self.towers = ByTask({task: Tower(recipe.tower, self.trunk.width, self._outputs(task)) for task in self.tasks})
        self.adversaries = ByTask(self._adversaries(head_state))
        ranked = self._rankings(head_state)
        # An exported program lists empty modules too: a recipe without a term has the bytes it had before there were any.
        self.rankings: ByTask[RankingTerm] | dict[str, RankingTerm] = ByTask(ranked) if ranked else {}
        self.objectives = ByTask({task: self._objective(recipe.objective, recipe.propensity) for task in self.tasks})
        for task, bound in self.objectives.items():
            bound.bind(schema, self._num_statistics(task))
        self.auxiliary = ByTask({task: self._auxiliary_towers(task) for task in self.tasks})
        weights = {task: recipe.weight(task) for task in self.tasks}
        self.balance = BALANCES[recipe.balance.kind](recipe.balance, weights)
        for task in set(self.tasks) - set(self.trained_tasks):
            self.towers[task].requires_grad_(False)
        self.balance.bind(self.shared_parameters())

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the raw outputs of every task, [B, O]: one logit for a binary task."""
        return self._raw(self.trunk(self.encode(batch)))

    def encode(self, batch: Batch) -> Encoded:
        """Return what the trunk reads of a batch."""
        return self.cross(self.embed(batch))

    def embed(self, batch: Batch) -> tuple[Embedded, ...]:
        """Return what the encoders that tasks read look up of a batch, in the order of `task_readers`."""
        return tuple(encoder.embed(batch) for encoder in self.task_readers)

    def cross(self, embedded: Sequence[Embedded]) -> Encoded:
        """Return what the trunk reads of what `embed` looked up."""
        joined = [encoder.join(part) for encoder, part in zip(self.task_readers, embedded, strict=True)]
        encoded: Encoded = self.backbone(joined[0])
        if not self.trunk.own_encoders:
            return encoded
        own = {task: part for (task, _), part in zip(self.task_encoders.items(), joined[1:], strict=True)}
        return replace(encoded, own=own)

    @property
    def task_readers(self) -> tuple[Encoder, ...]:
        """Encoders that tasks read: the shared one, then those of tasks' own."""
        return (self.encoder, *self.task_encoders.values())

    def represent(self, batch: Batch) -> Tensor:
        """Return what the watch-time tower reads of a batch, [B, width of the trunk]."""
        h_BW: Tensor = self.trunk(self.encode(batch))[WATCH_TIME]
        return h_BW

    def losses(self, batch: Batch, encoded: Encoded | None = None) -> dict[str, Tensor]:
        """Return the scalar loss of every trained task, after the objective.

        Losses are not looked at here, which would wait for the device: see `refuse_non_finite`.

        Args:
            batch: rows with labels.
            encoded: what `encode` made of them; None: it is asked here.

        Raises:
            ValueError: if the objective weighs by propensities and the batch has none.
        """
        encoded = self.encode(batch) if encoded is None else encoded
        h = self.trunk(encoded)
        raw = self._raw(h)
        rows = self._task_rows(raw, encoded, batch)
        losses = {task: self.objectives[task](rows[task]) for task in self.trained_tasks}
        if self.training:
            for task, ranking in self.rankings.items():
                losses[task] = losses[task] + ranking(losses[task], raw[task], self._listed(task, rows[task], batch))
        for task, penalty in self.trunk.penalties(raw).items():
            if task in losses:
                losses[task] = losses[task] + penalty
        for task, encoder in self._encoders():
            if task in losses and (of_encoder := encoder.penalty()) is not None:
                losses[task] = losses[task] + of_encoder
        if self.training:
            for task, adversary in self.adversaries.items():
                losses[task] = losses[task] + adversary(h[task], batch.duration_B)
        return losses

    def task_rows(self, batch: Batch) -> dict[str, TaskRows]:
        """Return what the objective of every trained task reads of a batch."""
        encoded = self.encode(batch)
        return self._task_rows(self._raw(self.trunk(encoded)), encoded, batch)

    def _task_rows(self, raw: dict[str, Tensor], encoded: Encoded, batch: Batch) -> dict[str, TaskRows]:
        second_BE = self._second(batch)
        return {task: self._rows(task, raw[task], encoded.flat_BE, second_BE, batch) for task in self.trained_tasks}

    def row_losses(self, encoded: Encoded, batch: Batch) -> dict[str, Tensor]:
        """Return the loss of every row before the objective, [B] per trained task; 0 where the label was not seen."""
        raw, ones_B = self._raw(self.trunk(encoded)), torch.ones_like(batch.duration_B)
        return {
            task: self._row_loss(task, batch, raw[task], self._label(task, batch)) * self._observed(task, batch, ones_B)
            for task in self.trained_tasks
        }

    @torch.no_grad()
    def predict(self, batch: Batch) -> RankerOutputs:
        """Return predictions before calibration. The caller puts the module in evaluation mode."""
        return self.predict_encoded(self.encode(batch), batch)

    def predict_encoded(self, encoded: Encoded, batch: Batch) -> RankerOutputs:
        """Return predictions before calibration of a batch that was encoded; gradients reach the encoding."""
        raw = self._raw(self.trunk(encoded))
        if self._objective.serves_auxiliary:
            second_BE = self._second(batch)
            auxiliary = {task: self._auxiliary(task, encoded.flat_BE, second_BE) for task in self.trained_tasks}
            raw |= {task: self.objectives[task].served(raw[task], auxiliary[task]) for task in self.trained_tasks}
        heads = {task: head for task in self.tasks if (head := self._head(task, batch)) is not None}
        scores = {task: head.score(raw[task], batch.duration_B) for task, head in heads.items()}
        return RankerOutputs(
            score_B=scores.pop(WATCH_TIME),
            mean_B=_first(head.decode_mean(raw[task], batch.duration_B) for task, head in heads.items()),
            median_B=_first(head.decode_median(raw[task], batch.duration_B) for task, head in heads.items()),
            probability={
                task: self.objectives[task].probability(raw[task][:, 0])
                for task in self.trained_tasks
                if not self._learns_watch_time(task)
            },
            further_scores=scores,
        )

    def diagnostics(self, batch: Batch) -> dict[str, float]:
        """Return the numbers worth logging of the trunk (gate entropies ...), the objectives (correlations ...), the ranking
        terms (shares of the gradient) and the adversaries (the share of the duration's variance they explain)."""
        encoded = self.encode(batch)
        found = {f"trunk_{name}": value for name, value in self.trunk.diagnostics(encoded).items()}
        for task in self.trained_tasks:
            learned = self.objectives[task].diagnostics()
            found |= {f"{task}/{name}": value for name, value in learned.items()}
        for task, ranking in self.rankings.items():
            found |= {f"{task}/{name}": value for name, value in ranking.diagnostics().items()}
        if self.recipe.adversary is not None:
            h = self.trunk(encoded)
            for task, adversary in self.adversaries.items():
                found[f"{task}/duration_r2"] = adversary.explained(h[task], batch.duration_B)
        return found

    def embedding_parameters(self) -> list[nn.Parameter]:
        """Return the packed tables, whose gradients are row-sparse."""
        return [parameter for table in packed_tables(self).values() for parameter in table.parameters()]

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
        return [*encoder, *self.backbone.parameters(), *self.trunk.shared_parameters()]

    def _head(self, task: str, batch: Batch) -> Head | None:
        """Return the head of a task that learns watch time, for the rows of a batch; None for a binary task."""
        head = self._unbound_head(task)
        return None if head is None else head.of(partial(self._level, batch))

    def _unbound_head(self, task: str) -> Head | None:
        return self.head if task == WATCH_TIME else self.further_heads.get(task)

    def _learns_watch_time(self, task: str) -> bool:
        return self._unbound_head(task) is not None

    def _outputs(self, task: str) -> int:
        head = self._unbound_head(task)
        return 1 if head is None else head.num_outputs

    def _num_statistics(self, task: str) -> int:
        head = self._unbound_head(task)
        return 1 if head is None else head.num_statistics

    def _own_encoder(self, events: bool = False) -> Encoder:
        """Return an encoder of what tasks may read, one that passes past events on if asked."""
        config, reads = self.recipe.encoder, EncoderInput.without(self.schema, self.recipe.set_apart)
        return ENCODERS[config.kind](config, self.schema, replace(reads, events=events))

    def _encoders(self) -> Iterator[tuple[str, Encoder]]:
        """Yield every encoder with the task whose loss carries its penalty: watch time where tasks share it."""
        yield WATCH_TIME, self.encoder
        if self.second_encoder is not None:
            yield WATCH_TIME, self.second_encoder
        yield from self.task_encoders.items()

    def _adversaries(self, head_state: LabelState) -> dict[str, DurationAdversary]:
        config, durations = self.recipe.adversary, self.recipe.head_state(ADVERSARY, head_state)
        if config is None:
            return {}
        return {task: DurationAdversary(config, self.trunk.width, durations) for task in self.recipe.heads}

    def _rankings(self, head_state: LabelState) -> dict[str, RankingTerm]:
        config, clip = self.recipe.ranking, self.recipe.propensity.clip
        state = self.recipe.head_state(RANKING, head_state)
        return {
            task: RankingTerm(
                RANKINGS[config.kind](config, state, clip), weight, logit=not self._learns_watch_time(task)
            )
            for task, weight in config.ranked.items()
            if task in self.trained_tasks
        }

    def _listed(self, task: str, rows: TaskRows, batch: Batch) -> ListedRows:
        """Return what the ranking term reads about one task.

        Raises:
            ValueError: if the batch does not say which rows make a list.
        """
        if batch.group_B is None or batch.pair_P2 is None:
            raise ValueError(
                f"ranking {self.recipe.ranking.kind!r} compares rows of one list, but the batch has no lists"
            )
        head = self._head(task, batch)
        return ListedRows(
            score_B=rows.out_BO[:, 0].float() if head is None else head.score(rows.out_BO, batch.duration_B),
            label_B=rows.label_B,
            duration_B=batch.duration_B,
            group_B=torch.where(rows.observed_B > 0, batch.group_B, -1),
            weight_B=torch.where(rows.random_B, 1.0, 1 / rows.propensity_B),
            pair_P2=batch.pair_P2,
            binary=head is None,
        )

    def _auxiliary_towers(self, task: str) -> nn.ModuleDict:
        first, dropout = self.backbone.shape.width, self.recipe.tower.dropout
        second = 0 if self.second_encoder is None else self.second_encoder.shape.width
        width = {"shared": first, "detached": first, "second": second, "both": first + second}
        outputs = {"logit": 1, "statistics": self._num_statistics(task)}
        return nn.ModuleDict(
            {
                tower.name: Tower(
                    TowerConfig(hidden=tower.hidden, dropout=dropout), width[tower.reads], outputs[tower.gives]
                )
                for tower in self._objective.auxiliary_towers
            }
        )

    def _second_encoder(self) -> Encoder | None:
        """Return the encoder that no task reads, if an auxiliary tower asks for it."""
        if not any(tower.reads in ("second", "both") for tower in self._objective.auxiliary_towers):
            return None
        apart = self.recipe.set_apart
        reads = (
            EncoderInput.without(self.schema, ())
            if self._objective.second_reads == "all"
            else EncoderInput.only(self.schema, apart)
        )
        config = self.recipe.second_encoder
        return ENCODERS[config.kind](config, self.schema, reads)

    def _second(self, batch: Batch) -> Tensor | None:
        if self.second_encoder is None:
            return None
        flat_BE: Tensor = self.second_encoder(batch).flat_BE
        return flat_BE

    def _auxiliary(self, task: str, encoded_BE: Tensor, second_BE: Tensor | None) -> dict[str, Tensor]:
        """Return the outputs of a task's auxiliary towers, each [B], or [B, S] where it gives statistics."""
        inputs: dict[str, Tensor] = {"shared": encoded_BE, "detached": encoded_BE.detach()}
        if second_BE is not None:
            inputs |= {"second": second_BE, "both": torch.cat([encoded_BE.detach(), second_BE], dim=1)}
        raw = {
            tower.name: self.auxiliary[task][tower.name](inputs[tower.reads])
            for tower in self._objective.auxiliary_towers
        }
        logits = [tower.name for tower in self._objective.auxiliary_towers if tower.gives == "logit"]
        return raw | {name: raw[name][:, 0] for name in logits}

    def _raw(self, h: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.trunk.couple({task: self.towers[task](h[task]) for task in self.tasks})

    def _rows(self, task: str, out_BO: Tensor, encoded_BE: Tensor, second_BE: Tensor | None, batch: Batch) -> TaskRows:
        """Gather what the objective may read about one task."""
        if self.recipe.weighs_by_propensity and batch.propensity_B is None:
            weighing = "objective" if self._objective.weighs_by_propensity else "ranking"
            raise ValueError(
                f"{weighing} {getattr(self.recipe, weighing).kind!r} weighs by propensity, but the batch has none"
            )
        ones_B = torch.ones_like(batch.duration_B)
        label_B = self._label(task, batch)
        return TaskRows(
            out_BO=out_BO,
            label_B=label_B,
            loss_B=self._row_loss(task, batch, out_BO, label_B),
            observed_B=self._observed(task, batch, ones_B),
            weight_B=ones_B / len(ones_B) if batch.weight_B is None else batch.weight_B,
            propensity_B=ones_B if batch.propensity_B is None or self._always_seen(task) else batch.propensity_B,
            random_B=torch.zeros_like(ones_B, dtype=torch.bool) if batch.random_B is None else batch.random_B,
            loss_for=partial(self._row_loss, task, batch),
            statistics_for=partial(self._statistics, task, batch),
            expected_statistics=partial(self._expected_statistics, task, batch),
            statistics_loss=partial(self._statistics_loss, task, batch),
            expected_loss=partial(self._expected_loss, task, batch),
            share_of=partial(self._share, task, batch),
            share_label_B=self._share_label(task, batch, label_B),
            latent_label_B=self._latent_label(task, batch, label_B),
            encoded_BE=encoded_BE,
            user_B=batch.ids_BF[:, self._user_column],
            item_B=batch.ids_BF[:, self._item_column],
            second_BE=second_BE,
            auxiliary=self._auxiliary(task, encoded_BE, second_BE),
            level_of=partial(self._level, batch),
            binary=not self._learns_watch_time(task),
            candidate_probability_B=batch.candidate_probability_B,
            **self._watch_time(task, batch, label_B),
        )

    def _watch_time(self, task: str, batch: Batch, label_B: Tensor) -> dict[str, Any]:
        """Return what rows of watch time tell beyond those of a 0/1 label."""
        head = self._head(task, batch)
        if head is None:
            return {}
        return {
            "latent_for": lambda watch_B: head.latent_label(watch_B, batch.duration_B),
            "duration_B": batch.duration_B,
            "complete_B": head.censored(label_B, batch.duration_B),
        }

    def _level(self, batch: Batch, field: str) -> Tensor:
        """Return the code of a field in every row, [B]; 0 is "unknown"."""
        column = [name for name, _ in self.schema.fields].index(field)
        return batch.ids_BF[:, column] - self.schema.offsets[column]

    def _observed(self, task: str, batch: Batch, ones_B: Tensor) -> Tensor:
        """Return which rows show the task's label."""
        return ones_B if batch.observed_B is None or self._always_seen(task) else batch.observed_B

    def _always_seen(self, task: str) -> bool:
        """Tell whether every row shows the label: a click is seen on every impression."""
        return task == "click" and self.recipe.selection.kind == "click"

    def _share(self, task: str, batch: Batch, out_BO: Tensor) -> Tensor | None:
        head = self._head(task, batch)
        if head is None:
            return self.objectives[task].probability(out_BO[:, 0])
        mean_B = head.decode_mean(out_BO, batch.duration_B)
        return None if mean_B is None else mean_B / batch.duration_B

    def _label(self, task: str, batch: Batch) -> Tensor:
        """Return the labels of one task, [B]."""
        if not self._learns_watch_time(task):
            return batch.labels[task]
        assert batch.watch_B is not None
        return batch.watch_B

    def _share_label(self, task: str, batch: Batch, label_B: Tensor) -> Tensor:
        """Return the label as a share in [0, 1]: of the duration for watch time."""
        return (label_B / batch.duration_B).clamp(0, 1) if self._learns_watch_time(task) else label_B

    def _latent_label(self, task: str, batch: Batch, label_B: Tensor) -> Tensor | None:
        head = self._head(task, batch)
        return label_B if head is None else head.latent_label(label_B, batch.duration_B)

    def _row_loss(self, task: str, batch: Batch, out_BO: Tensor, label_B: Tensor) -> Tensor:
        head = self._head(task, batch)
        return _log_loss(out_BO, label_B) if head is None else head.loss(out_BO, label_B, batch.duration_B)

    def _statistics(self, task: str, batch: Batch, label_B: Tensor) -> Tensor:
        head = self._head(task, batch)
        return label_B.unsqueeze(1) if head is None else head.statistics(label_B, batch.duration_B)

    def _expected_statistics(self, task: str, batch: Batch, raw_BS: Tensor) -> Tensor:
        head = self._head(task, batch)
        return torch.sigmoid(raw_BS.float()) if head is None else head.expected_statistics(raw_BS)

    def _statistics_loss(self, task: str, batch: Batch, raw_BS: Tensor, label_B: Tensor) -> Tensor:
        head = self._head(task, batch)
        return _log_loss(raw_BS, label_B) if head is None else head.statistics_loss(raw_BS, label_B, batch.duration_B)

    def _expected_loss(self, task: str, batch: Batch, out_BO: Tensor, statistics_BS: Tensor) -> Tensor:
        head = self._head(task, batch)
        if head is None:
            return _log_loss(out_BO, statistics_BS[:, 0])
        return head.expected_loss(out_BO, statistics_BS, batch.duration_B)


def refuse_non_finite(losses: Mapping[str, float | Tensor]) -> None:
    """Look at losses, task by task.

    Raises:
        FloatingPointError: if a loss is not finite; the message names the task.
    """
    broken = {task: value for task, loss in losses.items() if not math.isfinite(value := float(loss))}
    if broken:
        raise FloatingPointError(f"the loss is not finite: {broken}")


def _log_loss(out_BO: Tensor, target_B: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(out_BO[:, 0].float(), target_B, reduction="none")


def _refuse_unencoded(recipe: Recipe, schema: InputSchema) -> None:
    known = [name for name, _ in schema.fields]
    for name in recipe.head_fields:
        if name not in known:
            raise ValueError(f"a head reads the field {name!r}, which the table does not encode: see table.categorical")


def _column(schema: InputSchema, field: str) -> int:
    """Return the column of a field; the first one where the input has no such field."""
    names = [name for name, _ in schema.fields]
    return names.index(field) if field in names else 0


def _first(values: Iterable[Tensor | None]) -> Tensor | None:
    return next((value for value in values if value is not None), None)
