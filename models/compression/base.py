"""The one interface of every rule that says how the rows of a fitted embedding table are stored.

Shape legend: N rows, T days.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from models.component import ComponentConfig


@dataclass(frozen=True, eq=False)
class RowUse:
    """How often the fit days read every row of the packed table.

    Attributes:
        positive_TN: impressions of each day, in order, that touch the row and were an effective view.
        negative_TN: those that were not.
        unseen: rows that stand for every level the fit days do not hold.
    """

    positive_TN: NDArray[np.int32]
    negative_TN: NDArray[np.int32]
    unseen: tuple[int, ...]


class Compression(ABC):
    """Chooses the format of every row.

    Args:
        config: of the compression.
    """

    Config: ClassVar[type[ComponentConfig]]
    reads_use: ClassVar[bool] = False
    """Whether `formats` must be told how often rows were read."""
    mixes_formats: ClassVar[bool] = False
    """Whether rows of one table may have different formats."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def formats(self, rows: int, use: RowUse | None) -> NDArray[np.uint8] | None:
        """Return the place of every row's format in `models.compression.formats.FORMATS`, [N]; None: the table stays as it is.

        Args:
            rows: of the table.
            use: of its rows; None where the rule does not read it.
        """
