"""A few numbers that depend on a row by the levels of a few fields: what is corrected where a network would be too free.

Shape legend: B rows, L levels of all fields and one of all rows, W numbers per row.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.schema import InputSchema
from models.step_rate import SteppedFaster

RATE = 3.0
"""Learning rate over that of weights: some hundred steps must take an offset as far as a bias may be, .5 of a log second."""


class LevelOffsets(SteppedFaster):
    """W numbers per row: those of all rows plus those of the row's level in every field; all 0 at the start.

    Args:
        fields: categorical fields of the input; none: the same numbers for every row.
        width: W of rows without fields, until `bind` says otherwise.
        rate: learning rate over that of weights.
    """

    def __init__(self, fields: Sequence[str], width: int, rate: float) -> None:
        super().__init__(rate)
        self.fields = tuple(fields)
        self._starts: tuple[int, ...] = ()
        self.offset_LW = nn.Parameter(torch.zeros(1, width))

    def bind(self, schema: InputSchema, width: int) -> None:
        """Make room for W numbers per level.

        Raises:
            ValueError: if the input has no such field.
        """
        levels = dict(schema.fields)
        for name in self.fields:
            if name not in levels:
                raise ValueError(
                    f"objective.fields names {name!r}, which is no categorical field of the table; it has {sorted(levels)}"
                )
        sizes = [levels[name] for name in self.fields]
        self._starts = tuple(1 + sum(sizes[:place]) for place in range(len(sizes)))
        self.offset_LW = nn.Parameter(torch.zeros(1 + sum(sizes), width))

    def forward(self, level_of: Callable[[str], Tensor] | None) -> Tensor:
        """Return the numbers, [B, W], or [1, W] where they depend on no field.

        Args:
            level_of: name of a field -> code in every row, [B]; None where rows have no fields.

        Raises:
            ValueError: if fields are asked for and rows have none.
        """
        total = self.offset_LW[:1]
        if not self.fields:
            return total
        if level_of is None:
            raise ValueError(
                f"objective.fields names {', '.join(self.fields)}, and these rows have no fields: leave it out"
            )
        for name, start in zip(self.fields, self._starts, strict=True):
            total = total + functional.embedding(start + level_of(name), self.offset_LW)
        return total
