"""A fit in two phases: the second goes on from the best epoch of the first, with another loss and smaller steps."""

from torch import Tensor, nn

from models.counters import Counting


class Phases(Counting):
    """Which phase a part of a model is in; part of its state, so that a fit that is resumed goes on in it.

    Args:
        rate: learning rate of the second phase over that of the first.
    """

    reached: Tensor

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.register_counter("reached")

    @property
    def second(self) -> bool:
        """Whether the second phase has begun."""
        return bool(self.reached > 0)


def second_is_due(model: nn.Module) -> bool:
    """Return whether a part of the model has a second phase that has not begun."""
    return any(not phases.second for phases in _phases(model))


def begin_second(model: nn.Module) -> None:
    """Begin the second phase of every part that has one."""
    for phases in _phases(model):
        phases.reached.fill_(1)


def learning_rate(model: nn.Module) -> float:
    """Return the learning rate of the present phase over that of a fit without phases: the smallest that a part asks for."""
    return min((phases.rate for phases in _phases(model) if phases.second), default=1.0)


def _phases(model: nn.Module) -> list[Phases]:
    return [module for module in model.modules() if isinstance(module, Phases)]
