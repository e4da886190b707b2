"""Rows that are read often keep more digits: three formats by a priority from the fit days.

Source: docs/methods/compression.md#priority. Shape legend: N rows, T days.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from models.component import ComponentConfig
from models.compression.base import Compression, RowUse
from models.compression.formats import FORMATS
from models.ranges import Number, Share, Whole


class MixedConfig(ComponentConfig):
    """Shares of the three formats, and what makes a row matter.

    Raises:
        ValueError: if the shares exceed the whole.
    """

    kind: Literal["mixed"] = "mixed"
    int8_row: Share = 0.9
    """Share of the rows, those of least priority, that are stored as codes of eight bits."""
    fp16: Share = 0.08
    """Share of the rows, those of next priority, that are stored in half precision; the rest stays in single precision."""
    positive_weight: Number = Field(default=4.0, ge=1, le=1000)
    """What an effective view counts for, beside an impression that was none."""
    rate: Number = Field(default=0.1, gt=0, le=1)
    """Share of a day in the priority; those before it fade by one minus this."""
    new_days: Whole = Field(default=1, ge=0, le=366)
    """Rows first read in these last fit days are stored in half precision at least: nothing is known of what they will matter."""

    @model_validator(mode="after")
    def _shares_make_a_whole(self) -> "MixedConfig":
        if self.int8_row + self.fp16 > 1:
            raise ValueError(f"int8_row {self.int8_row} and fp16 {self.fp16} are shares of one table: they exceed 1")
        return self


class Mixed(Compression):
    """Formats by priority."""

    Config = MixedConfig
    reads_use = mixes_formats = True
    config: MixedConfig

    def formats(self, rows: int, use: RowUse | None) -> NDArray[np.uint8]:
        """Return the formats; of rows with equal priority the later ones have the larger format.

        Raises:
            ValueError: if it is not told how often rows were read.
        """
        if use is None:
            raise ValueError("compression 'mixed' orders rows by how often they were read, which it was not told")
        order_N = np.argsort(self.priority(use), kind="stable")
        ends = np.rint(np.cumsum([self.config.int8_row, self.config.fp16]) * rows).astype(np.int64)
        format_N = np.empty(rows, dtype=np.uint8)
        format_N[order_N] = np.searchsorted(ends, np.arange(rows), side="right")
        half = list(FORMATS).index("fp16")
        return np.where(self._is_new(use), np.maximum(format_N, half), format_N).astype(np.uint8)

    def priority(self, use: RowUse) -> NDArray[np.float64]:
        """Return the priority of every row, [N]: day by day p <- (1 - b) p + b (a n+ + n-), from 0."""
        a, b = self.config.positive_weight, self.config.rate
        priority_N = np.zeros(use.positive_TN.shape[1])
        for positive_N, negative_N in zip(use.positive_TN, use.negative_TN, strict=True):
            priority_N = (1 - b) * priority_N + b * (a * positive_N + negative_N)
        return priority_N

    def _is_new(self, use: RowUse) -> NDArray[np.bool_]:
        """Tell which rows were not read before the last days, or stand for what was never read."""
        days = len(use.positive_TN)
        known = slice(0, max(0, days - self.config.new_days))
        new_N = (use.positive_TN[known] + use.negative_TN[known]).sum(axis=0) == 0
        if self.config.new_days:
            new_N[list(use.unseen)] = True
        else:
            new_N[:] = False
        found: NDArray[np.bool_] = new_N
        return found
