"""The one interface of every objective: how the losses of rows become the loss of a task.

Shape legend: B rows, O outputs of a head.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from models.component import ComponentConfig
from models.propensity.base import PropensityOptions


@dataclass(frozen=True)
class AuxiliaryTower:
    """A request for a network beside the task's own, with one logit per row: an imputation, an exposure model ...

    Attributes:
        name: key of its logits in `TaskRows.auxiliary`.
        hidden: widths of its hidden layers; it reads the encoder's flat output.
    """

    name: str
    hidden: tuple[int, ...] = (64,)


@dataclass(frozen=True)
class TaskRows:
    """What one task knows about the rows of a batch. Values of rows with observed 0 are meaningless.

    Attributes:
        out_BO: raw outputs of the task's tower.
        label_B: seconds for watch time, 0/1 otherwise.
        loss_B: loss of the raw outputs against the label, `loss_for(out_BO, label_B)`.
        observed_B: float32, 1 where the label was observed.
        propensity_B: float32 in (0, 1], probability of observation, as given: not clipped, 1 on random rows.
        random_B: bool, True on rows that were exposed uniformly at random: they stand for all rows alike.
        loss_for: (raw outputs [B, O], targets [B]) -> row losses [B], for pseudo-labels. It passes gradients to the
            targets where the label's transform is smooth; that of D2Q is a step function, so learn the error itself
            there, from an auxiliary logit.
        label_of: logits [B] of an auxiliary tower -> values on the label's scale (sigmoid; for watch time, of the
            duration).
        auxiliary: name -> logits [B] of the towers the objective asked for.
    """

    out_BO: Tensor
    label_B: Tensor
    loss_B: Tensor
    observed_B: Tensor
    propensity_B: Tensor
    random_B: Tensor
    loss_for: Callable[[Tensor, Tensor], Tensor]
    label_of: Callable[[Tensor], Tensor]
    auxiliary: dict[str, Tensor] = field(default_factory=dict)


class Objective(nn.Module, ABC):
    """Turns the rows of one task into its scalar loss. Every task has an instance of its own.

    It is a module, so it may hold running means or parameters (a correlation, a scale); these train with the rest,
    without weight decay.
    """

    Config: ClassVar[type[ComponentConfig]]
    auxiliary_towers: ClassVar[tuple[AuxiliaryTower, ...]] = ()
    weighs_by_propensity: ClassVar[bool] = False
    """True where `Batch.propensity_B` must be given."""

    def __init__(self, config: Any, options: PropensityOptions) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
