"""The one interface of every scorer of user-item pairs, the stand-in of encoder, trunk and tower on a small catalogue.

Shape legend: B pairs, U users, I items, F user features, G item features, E width of the encoding.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from models.component import ComponentConfig


@dataclass(frozen=True)
class PairInputs:
    """What a scorer may know about the catalogue before it is trained.

    Attributes:
        num_users: U.
        num_items: I.
        user_UF: float32 [U, F] features.
        item_IG: float32 [I, G] features.
        offset: logit that the scorer starts from, usually that of the mean label of the fit ratings; 0 where the scorer
            has no offset.
    """

    num_users: int
    num_items: int
    user_UF: Tensor
    item_IG: Tensor
    offset: float = 0.0


class Scorer(nn.Module, ABC):
    """One logit per pair, and the representation it was read from.

    Attributes:
        width: E.
    """

    Config: ClassVar[type[ComponentConfig]]
    width: int

    def __init__(self, config: Any, inputs: PairInputs) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, user_B: Tensor, item_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits, [B], and the encoding of the pairs, [B, E]."""

    def undecayed_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that weight decay must not touch: offsets."""
        return []


def embedding(rows: int, width: int, sd: float) -> nn.Embedding:
    """Return a table of N(0, sd^2) entries."""
    table = nn.Embedding(rows, width)
    nn.init.normal_(table.weight, std=sd)
    return table


def zeros(rows: int, width: int = 1) -> nn.Embedding:
    """Return a table of zeros; of width 1 for biases."""
    table = nn.Embedding(rows, width)
    nn.init.zeros_(table.weight)
    return table
