"""The one interface of every rule that weighs the losses of several tasks against each other."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from models.component import ComponentConfig


class Balance(nn.Module, ABC):
    """Turns the losses of the tasks into gradients.

    Args:
        weights: task -> static weight of the recipe; its order is the order of the tasks.

    A rule may own parameters (uncertainties, weights); they train with the dense ones, without weight decay.
    """

    Config: ClassVar[type[ComponentConfig]]

    @abstractmethod
    def __init__(self, config: Any, weights: Mapping[str, float]) -> None:
        super().__init__()

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
