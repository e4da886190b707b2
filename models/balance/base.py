"""The one interface of every rule that weighs the losses of several tasks against each other."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from models.component import ComponentConfig
from models.counters import Counting


class Balance(Counting, ABC):
    """Turns the losses of the tasks into gradients.

    Args:
        weights: task -> static weight of the recipe; its order is the order of the tasks.

    A rule may own parameters (uncertainties, weights); they train with the dense ones, without weight decay.
    """

    Config: ClassVar[type[ComponentConfig]]
    uses_weights: ClassVar[bool] = True
    """False where static weights of the tasks would change nothing, so that a recipe must not state any."""

    takes_logarithms: ClassVar[bool] = False
    """True where every loss must be positive, so that objectives whose loss may fall below 0 are refused."""

    divisible: ClassVar[bool] = False
    """True where the gradient is linear in the losses, but for what every process knows: several can then take a part of the
    rows each."""

    @abstractmethod
    def __init__(self, config: Any, weights: Mapping[str, float]) -> None:
        super().__init__()
        self._tasks = list(weights)

    def chosen(self, value_TX: Tensor, tasks: Iterable[str]) -> Tensor:
        """Return the rows of some tasks; a list as an index would be copied to the device at every step."""
        return torch.stack([value_TX[self._tasks.index(task)] for task in tasks])

    def put(self, value_TX: Tensor, tasks: Iterable[str], rows_TX: Tensor) -> None:
        """Write the rows of some tasks."""
        for task, row_X in zip(tasks, rows_TX, strict=True):
            value_TX[self._tasks.index(task)] = row_X

    def bind(self, shared: Sequence[nn.Parameter]) -> None:
        """Make room for what a rule remembers about the shared parameters; called once, before training."""

    @abstractmethod
    def backward(self, losses: Mapping[str, Tensor], shared: Sequence[nn.Parameter]) -> Tensor:
        """Fill the gradients of every parameter that the losses reach.

        Args:
            losses: task -> scalar loss; frozen tasks are absent.
            shared: dense parameters that several tasks train, on which gradient rules (PCGrad, CAGrad ...) act.

        Returns:
            The total that was minimised, detached.
        """

    def after_step(self, losses_again: Callable[[], Mapping[str, Tensor]]) -> None:
        """Learn from the step just taken (FAMO); by default nothing.

        Args:
            losses_again: computes the losses of the same batch under the new parameters.
        """

    def after_epoch(self, means: Mapping[str, float]) -> None:
        """Learn from a finished epoch (DWA); by default nothing.

        Args:
            means: task -> mean loss of the epoch.
        """
