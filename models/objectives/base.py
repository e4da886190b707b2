"""The one interface of every objective: how the losses of rows become the loss of a task.

D is the population a recipe learns about (`models.selection`), O its observed part. A batch is a sample of D in which
every row says how much of D it stands for, so a mean over D is a weighted sum over the batch, however the batch was
drawn: sum_i weight_i f_i, with f_i multiplied by o_i where it needs the label.

Shape legend: B rows, E width of an encoder's output, O outputs of a head, S statistics of a label.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from models.component import ComponentConfig
from models.propensity.base import PropensityOptions
from models.ranges import Widths
from models.schema import InputSchema

TowerInput = Literal["shared", "detached", "second", "both"]
"""What an auxiliary tower reads: the tasks' encoder, trained by the tower too; the same without gradient; the second
encoder, which no task reads; or the tasks' encoder without gradient beside the second one."""


@dataclass(frozen=True)
class AuxiliaryTower:
    """A request for a network beside the task's own: an imputation, an exposure model ...

    Attributes:
        name: key of its outputs in `TaskRows.auxiliary`.
        hidden: widths of its hidden layers.
        reads: encoder output it reads. The second encoder alone sees the fields that the recipe sets apart.
        gives: one logit per row, or one output per statistic of the task's label.
        draws: further outputs that it gives under `<name>_draws`, each with half of the last hidden units left out.
        folds: separate networks in its place, each with a second encoder of its own; they give their outputs, each of every row,
            under `<name>_folds`.
    """

    name: str
    hidden: Widths = (64,)
    reads: TowerInput = "detached"
    gives: Literal["logit", "statistics"] = "logit"
    draws: int = 0
    folds: int = 0


@dataclass(frozen=True)
class TaskRows:
    """What one task knows about the rows of a batch. Values of rows with observed 0 are meaningless.

    Attributes:
        out_BO: raw outputs of the task's tower.
        label_B: seconds for watch time, 0/1 otherwise.
        loss_B: loss of the raw outputs against the label, `loss_for(out_BO, label_B)`.
        observed_B: float32, 1 where the label was observed.
        weight_B: float32, the share of D that the row stands for; sums to 1 over the batch, on average where rows were selected.
        propensity_B: float32 in (0, 1], probability of observation, as given: not clipped, 1 on random rows.
        random_B: bool, True on rows that were exposed uniformly at random: they stand for all rows alike.
        loss_for: (raw outputs [B, O], labels [B]) -> row losses [B].
        statistics_for: labels [B] -> what the loss needs to know of them, [B, S], so that its mean suffices for the
            expected loss: a 0/1 label itself; of watch time `Head.statistics`.
        expected_statistics: outputs [B, S] of an auxiliary tower -> E[statistics | x], inside their range, [B, S].
        statistics_loss: (outputs [B, S] of the tower, labels [B]) -> row losses [B] under which the tower learns them.
        expected_loss: (raw outputs [B, O], expected statistics [B, S]) -> expected row losses [B], up to a term without
            the raw outputs.
        share_of: raw outputs [B, O] -> expected label on the unit scale, differentiable (a probability; for watch time
            the head's mean over the duration), None where the head has no native mean.
        share_label_B: the label on that scale, in [0, 1].
        latent_label_B: label on the scale of the raw output for models of a latent index: 0/1, or the head's
            transformed watch time (`Head.latent_label`); None where the head has none.
        auxiliary: name -> outputs of the towers the objective asked for, [B], or [B, S] of one that gives statistics;
            draws and folds with a dimension more, in front.
        encoded_BE: the tasks' encoder output.
        second_BE: the second encoder's output, None where no tower reads it.
        level_of: name of a categorical field -> its code in every row, int64 [B], 0 is "unknown"; None outside a ranker.
        user_B: int64 codes; equal codes are the same user.
        item_B: int64 codes; equal codes are the same video.
        binary: True for a 0/1 label, False for watch time.
        candidate_probability_B: probability that a row with observed 0 was a candidate at all; None: 1.
        latent_for: seconds [B] -> watch time on the scale of `latent_label_B`; None for a 0/1 label.
        duration_B: seconds; None for a 0/1 label.
        complete_B: bool, True where the play reached the end, so that its label says "at least"; None: nowhere.
        share_B: `weight_B` had the rows not been selected, which sums to 1 over every batch; None: they were not.
    """

    out_BO: Tensor
    label_B: Tensor
    loss_B: Tensor
    observed_B: Tensor
    weight_B: Tensor
    propensity_B: Tensor
    random_B: Tensor
    loss_for: Callable[[Tensor, Tensor], Tensor]
    statistics_for: Callable[[Tensor], Tensor]
    expected_statistics: Callable[[Tensor], Tensor]
    statistics_loss: Callable[[Tensor, Tensor], Tensor]
    expected_loss: Callable[[Tensor, Tensor], Tensor]
    share_of: Callable[[Tensor], Tensor | None]
    share_label_B: Tensor
    latent_label_B: Tensor | None
    encoded_BE: Tensor
    user_B: Tensor
    item_B: Tensor
    second_BE: Tensor | None = None
    auxiliary: dict[str, Tensor] = field(default_factory=dict)
    level_of: Callable[[str], Tensor] | None = None
    binary: bool = True
    candidate_probability_B: Tensor | None = None
    latent_for: Callable[[Tensor], Tensor | None] | None = None
    duration_B: Tensor | None = None
    complete_B: Tensor | None = None
    share_B: Tensor | None = None

    def mean(self, value_B: Tensor) -> Tensor:
        """Return the batch's estimate of the mean over D."""
        return (self.weight_B * value_B).sum()

    def observed_mean(self, value_B: Tensor) -> Tensor:
        """Return the batch's estimate of the mean over O; 0 for a batch without an observed row.

        Weights of selected rows are not normalised within the batch: a quotient of two sums over it would be biased.
        """
        weight_B = self.weight_B * self.observed_B
        total = (weight_B if self.share_B is None else self.share_B * self.observed_B).sum()
        return (weight_B * value_B).sum() / torch.where(total > 0, total, 1.0)


class Objective(nn.Module, ABC):
    """Turns the rows of one task into its scalar loss. Every task has an instance of its own.

    It is a module, so it may hold running means or parameters (a correlation, a scale); these train with the rest,
    without weight decay.
    """

    Config: ClassVar[type[ComponentConfig]]
    auxiliary_towers: ClassVar[tuple[AuxiliaryTower, ...]] = ()
    weighs_by_propensity: ClassVar[bool] = False
    """True where `Batch.propensity_B` must be given."""
    needs_unobserved: ClassVar[bool] = False
    """True where rows with observed 0 are needed, so that the recipe's selection must be other than `impression`."""
    may_be_negative: ClassVar[bool] = False
    """True where the loss can fall below 0, so that balance rules which take its logarithm are refused."""
    divisible: ClassVar[bool] = False
    """True where the gradient of a batch of impressions is the mean of those of its parts, weighed by their rows, so that several
    processes can take one each."""
    weighs_rows: ClassVar[bool] = False
    """True where the loss of impressions is a mean in which a row of weight k counts as k rows, so that it can learn from selected
    rows (docs/methods/selection.md#weights-in-a-step)."""
    second_reads: ClassVar[Literal["all", "apart"]] = "all"
    """What the second encoder reads: every input, or only the fields that the recipe sets apart."""
    serves_auxiliary: ClassVar[bool] = False
    """True where `served` needs the auxiliary logits."""

    def __init__(self, config: Any, options: PropensityOptions) -> None:
        super().__init__()

    def bind(self, schema: InputSchema, num_statistics: int, num_outputs: int) -> None:
        """Make room for what depends on input and task; called once, before training.

        Args:
            schema: shape of the input, for a parameter per level of a field.
            num_statistics: S of the task's label.
            num_outputs: O of the task's head.

        Raises:
            ValueError: if the input lacks what the objective is configured to read.
        """

    @abstractmethod
    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""

    def probability(self, logit_B: Tensor) -> Tensor:
        """Return the link of a binary task's index; a model trained as a probit answers with the normal CDF."""
        return torch.sigmoid(logit_B.float())

    def served(
        self, out_BO: Tensor, auxiliary: dict[str, Tensor], level_of: Callable[[str], Tensor] | None = None
    ) -> Tensor:
        """Return the raw outputs to predict with; by default the task's own.

        Args:
            out_BO: the task's own.
            auxiliary: outputs of the auxiliary towers, where `serves_auxiliary`.
            level_of: as in `TaskRows`.
        """
        return out_BO

    def diagnostics(self) -> dict[str, float]:
        """Return learned numbers worth logging (a correlation, a scale); by default none."""
        return {}
