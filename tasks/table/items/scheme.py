"""What a scheme of embedding rows is (docs/methods/representation.md#embedding-schemes).

Shapes: V videos, L levels, F fields of the scheme.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.table.items.tokenizer import Codes

Ids = NDArray[np.int64]
FIELD = "content"
"""Begins the names of the fields."""


class IdScheme(ABC):
    """Turns codes into fields.

    Args:
        sizes: codewords of every level.
        fitted_VL: codes of the videos of the fit days.
    """

    def __init__(self, sizes: Sequence[int], fitted_VL: Codes) -> None:
        self.sizes, self.fitted_VL = tuple(sizes), fitted_VL

    @property
    @abstractmethod
    def fields(self) -> tuple[tuple[str, int], ...]:
        """Name and number of rows of every field, the unknown one included."""

    @abstractmethod
    def lookup(self, codes_VL: Codes) -> Codes:
        """Return [V, F] local rows, from 0 = unknown."""
