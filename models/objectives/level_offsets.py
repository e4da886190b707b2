"""A few numbers that depend on a row by the levels of a few fields: what is corrected where a network would be too free.

Shape legend: B rows, C codes of all fields, L levels of all fields and one of all rows, W numbers per row.
"""

from collections.abc import Callable

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from models.component import ComponentConfig
from models.ranges import Number, Whole
from models.schema import InputSchema
from models.step_rate import SteppedFaster


class LevelsConfig(ComponentConfig):
    """Which rows share the numbers."""

    fields: tuple[str, ...] = ()
    """Categorical fields whose levels have numbers of their own: what moves exposure (a duration bucket, a popularity bucket,
    a scene), or how active a user is. None: the same for all rows."""
    levels: Whole | None = Field(default=5, ge=1, le=10_000)
    """Adjacent levels of a field are joined until so many are left, since rarely exposed ones teach noise; buckets have an
    order. null: none are joined."""
    rate: Number = Field(default=3.0, ge=1, le=1000)
    """Learning rate of the numbers over that of the weights: some hundred steps must take them as far as a bias may be."""


class LevelOffsets(SteppedFaster):
    """W numbers per row: those of all rows plus those of the row's level in every field; all 0 at the start.

    Args:
        config: fields, how many levels each may have, and the learning rate.
        width: W, until `bind` says otherwise.
    """

    level_C: Tensor

    def __init__(self, config: LevelsConfig, width: int) -> None:
        super().__init__(config.rate)
        self.config = config
        self._starts: tuple[int, ...] = ()
        self.offset_LW = nn.Parameter(torch.zeros(1, width))

    def bind(self, schema: InputSchema, width: int) -> None:
        """Make room for W numbers per level.

        Raises:
            ValueError: if the input has no such field.
        """
        codes, found, levels = dict(schema.fields), [], 1
        for name in self.config.fields:
            if name not in codes:
                raise ValueError(
                    f"objective.fields names {name!r}, which is no categorical field of the table; it has {sorted(codes)}"
                )
            found.append(levels + _joined(codes[name], self.config.levels))
            levels += int(found[-1].max()) - levels + 1
        sizes = [len(level_C) for level_C in found]
        self._starts = tuple(sum(sizes[:place]) for place in range(len(sizes)))
        self.register_buffer("level_C", torch.cat([torch.zeros(0, dtype=torch.int64), *found]), persistent=False)
        self.offset_LW = nn.Parameter(torch.zeros(levels, width))

    def forward(self, level_of: Callable[[str], Tensor] | None) -> Tensor:
        """Return the numbers, [B, W], or [1, W] where they depend on no field.

        Args:
            level_of: name of a field -> code in every row, [B]; None where rows have no fields.

        Raises:
            ValueError: if fields are asked for and rows have none.
        """
        total, fields = self.offset_LW[:1], self.config.fields
        if not fields:
            return total
        if level_of is None:
            raise ValueError(f"objective.fields names {', '.join(fields)}, and these rows have no fields: leave it out")
        for name, start in zip(fields, self._starts, strict=True):
            total = total + functional.embedding(self.level_C[start + level_of(name)], self.offset_LW)
        return total


def _joined(codes: int, most: int | None) -> Tensor:
    """Return the level of every code, [codes]: 0 of the unknown, 1 ... of about equally many adjacent codes each."""
    code_C = torch.arange(codes)
    known = codes - 1
    return code_C if most is None or known <= most else torch.where(code_C > 0, 1 + (code_C - 1) * most // known, 0)
