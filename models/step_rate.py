"""Which parameters of a model an optimizer steps faster than the rest: the module that holds them says so."""

from torch import nn


class SteppedFaster(nn.Module):
    """A module whose own parameters take larger steps, such as a scalar that must travel far in few of them.

    Args:
        rate: their learning rate over that of all others.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate


def rates(model: nn.Module) -> dict[nn.Parameter, float]:
    """Return the parameters of a model that are stepped faster, each with its rate."""
    faster = (module for module in model.modules() if isinstance(module, SteppedFaster) and module.rate != 1)
    return {parameter: module.rate for module in faster for parameter in module.parameters(recurse=False)}
