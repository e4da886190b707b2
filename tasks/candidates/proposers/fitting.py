"""How a network that proposes is fitted: epochs of shuffled batches, ended by the validation day.

Shapes: N examples, B of a step.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.early_stopping import EarlyStopping


@dataclass(frozen=True)
class Epochs:
    """How long a fit takes.

    Attributes:
        most: epochs at most.
        patience: epochs without a better validation day that end it.
        batch_size: examples of a step.
    """

    most: int
    patience: int
    batch_size: int


def fit_network(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    count: int,
    loss: Callable[[Tensor], Tensor],
    epochs: Epochs,
    generator: torch.Generator,
    judged: Callable[[], float],
) -> None:
    """Fit a network, and leave it in evaluation mode with the weights of its best epoch.

    Args:
        model: to fit; without examples it stays as it is.
        optimizer: of its parameters.
        count: examples, N.
        loss: of those at some places, int64 [B].
        epochs: when it ends.
        generator: of the order of examples; `loss` may draw from it too.
        judged: how good the model is on the validation day; higher is better.
    """
    stopping = EarlyStopping[dict[str, Tensor]](epochs.most, epochs.patience)
    while not stopping.exhausted and count:
        model.train()
        order_N = torch.randperm(count, generator=generator)
        for places_B in torch.split(order_N, epochs.batch_size):
            optimizer.zero_grad()
            loss(places_B).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        model.eval()
        stopping.improved(-judged(), lambda: {name: of.clone() for name, of in model.state_dict().items()})
    if stopping.kept is not None:
        model.load_state_dict(stopping.kept)
    model.eval()
