"""The one interface of every trunk: what tasks share, and how much of it.

Shape legend: B rows, H trunk output width, O outputs of a head.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from models.component import ComponentConfig
from models.encoders.base import Encoded, EncodedShape


class Trunk(nn.Module, ABC):
    """Turns the encoded batch into one representation per task.

    Attributes:
        own_encoders: whether every task gets an encoder of its own, too, whose output stands under `Encoded.own`.
        width: H, the width of every task's representation.
    """

    Config: ClassVar[type[ComponentConfig]]
    own_encoders: ClassVar[bool] = False
    divisible: ClassVar[bool] = True
    """False where a row's representation depends on the other rows of its batch, so that one process must have all of them."""
    weighs_rows: ClassVar[bool] = True
    """False where rows of a batch enter statistics or penalties that know no weights of theirs, so that it cannot learn from
    selected rows (docs/methods/selection.md#weights-in-a-step)."""
    width: int

    @abstractmethod
    def __init__(self, config: Any, shape: EncodedShape, tasks: Sequence[str]) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return task -> representation [B, H]."""

    def couple(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        """Tie the towers' raw outputs together, for example to the product chain of ESMM; by default they stay apart.

        Args:
            raw: task -> [B, O], as the towers gave them. Logits must come back as logits.
        """
        return raw

    def penalties(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what to add to the losses of some tasks, each a scalar; by default nothing.

        Args:
            raw: task -> [B, O], after `couple`.
        """
        return {}

    def shared_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that more than one task trains; by default all."""
        return list(self.parameters())

    def diagnostics(self, encoded: Encoded) -> dict[str, float]:
        """Return numbers worth logging, by name; by default none."""
        return {}
