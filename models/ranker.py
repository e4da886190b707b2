"""The ranker: one recipe as one torch module, from a batch to losses or predictions.

Shape legend: B rows, F categorical fields, E encoder output width, O outputs of a head, S statistics of a label.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor, nn

from models.adversary import DurationAdversary
from models.auxiliary import AuxiliaryTowers, SideBySide, second_encoder
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
from models.task_label import BinaryLabel, TaskLabel, WatchTimeLabel
from models.towers import Tower
from models.trunks import TRUNKS


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
        self.encoder = self._own_encoder(BACKBONES[recipe.backbone.kind].reads_events, recipe.joins_vectors)
        self.second_encoder = second_encoder(recipe, self._objective, schema)
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
            bound.bind(schema, self._num_statistics(task), self._outputs(task))
        second = 0 if self.second_encoder is None else self.second_encoder.shape.width
        asked, first, dropout = self._objective.auxiliary_towers, self.backbone.shape.width, recipe.tower.dropout
        self.auxiliary = ByTask(
            {task: AuxiliaryTowers(asked, first, second, self._num_statistics(task), dropout) for task in self.tasks}
        )
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
        labels = {task: self._label(task, batch) for task in self.trained_tasks}
        return {
            task: label.loss(raw[task], label.value) * self._observed(task, batch, ones_B)
            for task, label in labels.items()
        }

    @torch.no_grad()
    def predict(self, batch: Batch) -> RankerOutputs:
        """Return predictions before calibration. The caller puts the module in evaluation mode."""
        return self.predict_encoded(self.encode(batch), batch)

    def predict_encoded(self, encoded: Encoded, batch: Batch) -> RankerOutputs:
        """Return predictions before calibration of a batch that was encoded; gradients reach the encoding."""
        raw, serves_auxiliary = self._raw(self.trunk(encoded)), self._objective.serves_auxiliary
        second_BE = self._second(batch) if serves_auxiliary else None
        for task in self.trained_tasks:
            auxiliary = self.auxiliary[task](encoded.flat_BE, second_BE) if serves_auxiliary else {}
            raw[task] = self.objectives[task].served(raw[task], auxiliary, partial(self._level, batch))
        heads = {task: self._bound(head, batch) for task in self.tasks if (head := self._head(task)) is not None}
        scores = {task: head.score(raw[task], batch.duration_B) for task, head in heads.items()}
        return RankerOutputs(
            score_B=scores.pop(WATCH_TIME),
            mean_B=_first(head.decode_mean(raw[task], batch.duration_B) for task, head in heads.items()),
            median_B=_first(head.decode_median(raw[task], batch.duration_B) for task, head in heads.items()),
            probability={
                task: self.objectives[task].probability(raw[task][:, 0])
                for task in self.trained_tasks
                if task not in heads
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

    def _head(self, task: str) -> Head | None:
        """Return the head of a task that learns watch time; None for a binary task."""
        return self.head if task == WATCH_TIME else self.further_heads.get(task)

    def _bound(self, head: Head, batch: Batch) -> Head:
        """Return a head for the rows of a batch."""
        return head.of(partial(self._level, batch))

    def _label(self, task: str, batch: Batch) -> TaskLabel:
        """Return what a task learns from the rows of a batch."""
        head = self._head(task)
        if head is None:
            return BinaryLabel(batch, task, self.objectives[task].probability)
        return WatchTimeLabel(batch, self._bound(head, batch))

    def _outputs(self, task: str) -> int:
        head = self._head(task)
        return 1 if head is None else head.num_outputs

    def _num_statistics(self, task: str) -> int:
        head = self._head(task)
        return 1 if head is None else head.num_statistics

    def _own_encoder(self, events: bool = False, pretrained: bool = False) -> Encoder:
        """Return an encoder of what tasks may read, one that passes past events on, or reads vectors learned before, if asked."""
        apart = (*self.recipe.set_apart, *self.recipe.unread(self.schema))
        config, reads = self.recipe.encoder, EncoderInput.without(self.schema, apart)
        return ENCODERS[config.kind](
            config, self.schema, replace(reads, events=events, pretrained=pretrained, hides=self.recipe.hides_vectors)
        )

    def _encoders(self) -> Iterator[tuple[str, Encoder | SideBySide]]:
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
            task: RankingTerm(RANKINGS[config.kind](config, state, clip), weight, logit=self._head(task) is None)
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
        return ListedRows(
            score_B=self._label(task, batch).rank_score(rows.out_BO),
            label_B=rows.label_B,
            duration_B=batch.duration_B,
            group_B=torch.where(rows.observed_B > 0, batch.group_B, -1),
            weight_B=torch.where(rows.random_B, 1.0, 1 / rows.propensity_B),
            pair_P2=batch.pair_P2,
            binary=rows.binary,
        )

    def _second(self, batch: Batch) -> Tensor | None:
        if self.second_encoder is None:
            return None
        flat_BE: Tensor = self.second_encoder(batch).flat_BE
        return flat_BE

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
        share_B = ones_B / len(ones_B) if batch.weight_B is None else batch.weight_B
        label = self._label(task, batch)
        return TaskRows(
            out_BO=out_BO,
            label_B=label.value,
            loss_B=label.loss(out_BO, label.value),
            observed_B=self._observed(task, batch, ones_B),
            weight_B=share_B if batch.pool_B is None else share_B * batch.pool_B,
            share_B=None if batch.pool_B is None else share_B,
            propensity_B=ones_B if batch.propensity_B is None or self._always_seen(task) else batch.propensity_B,
            random_B=torch.zeros_like(ones_B, dtype=torch.bool) if batch.random_B is None else batch.random_B,
            loss_for=label.loss,
            statistics_for=label.statistics,
            expected_statistics=label.expected_statistics,
            statistics_loss=label.statistics_loss,
            expected_loss=label.expected_loss,
            share_of=label.share,
            share_label_B=label.as_share,
            latent_label_B=label.as_latent,
            encoded_BE=encoded_BE,
            user_B=batch.ids_BF[:, self._user_column],
            item_B=batch.ids_BF[:, self._item_column],
            second_BE=second_BE,
            auxiliary=self.auxiliary[task](encoded_BE, second_BE),
            level_of=partial(self._level, batch),
            binary=self._head(task) is None,
            candidate_probability_B=batch.candidate_probability_B,
            **label.of_watch_time(),
        )

    def _level(self, batch: Batch, field: str) -> Tensor:
        """Return the code of a field in every row, [B]; 0 is "unknown"."""
        column = self.schema.names.index(field)
        return batch.ids_BF[:, column] - self.schema.offsets[column]

    def _observed(self, task: str, batch: Batch, ones_B: Tensor) -> Tensor:
        """Return which rows show the task's label."""
        return ones_B if batch.observed_B is None or self._always_seen(task) else batch.observed_B

    def _always_seen(self, task: str) -> bool:
        """Tell whether every row shows the label: a click is seen on every impression."""
        return task == "click" and self.recipe.selection.kind == "click"


def refuse_non_finite(losses: Mapping[str, float | Tensor]) -> None:
    """Look at losses, task by task.

    Raises:
        FloatingPointError: if a loss is not finite; the message names the task.
    """
    broken = {task: value for task, loss in losses.items() if not math.isfinite(value := float(loss))}
    if broken:
        raise FloatingPointError(f"the loss is not finite: {broken}")


def _refuse_unencoded(recipe: Recipe, schema: InputSchema) -> None:
    for name in recipe.head_fields:
        if name not in schema.names:
            raise ValueError(f"a head reads the field {name!r}, which the table does not encode: see table.categorical")


def _column(schema: InputSchema, field: str) -> int:
    """Return the column of a field; the first one where the input has no such field."""
    return schema.names.index(field) if field in schema.names else 0


def _first(values: Iterable[Tensor | None]) -> Tensor | None:
    return next((value for value in values if value is not None), None)
