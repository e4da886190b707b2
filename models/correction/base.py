"""The one interface of every correction: seconds of a frozen model in, better seconds out.

It is fitted on rows that trained nothing, like the calibrators after it, and sees of a row what the model says of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.correction.config import CorrectionOptions
from models.heads.base import TrainLabels

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CorrectionState = dict[str, NDArray[Any]]
"""What a correction learned: name -> array."""


@dataclass(frozen=True)
class BaseRows:
    """What a frozen model says of rows, all [rows].

    Attributes:
        base_s: its seconds, not negative.
        duration_s: seconds.
        chances: task -> the probability it predicts; the same tasks in the fit and after.
    """

    base_s: Floats
    duration_s: Floats
    chances: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.base_s)


@dataclass(frozen=True)
class LabelledRows:
    """Rows a correction learns from.

    Attributes:
        base: what the model says of them.
        watch_s: seconds watched, [rows].
    """

    base: BaseRows
    watch_s: Floats


class Correction(ABC):
    """Maps seconds of a model to corrected ones."""

    Config: ClassVar[type[CorrectionOptions]]

    @classmethod
    @abstractmethod
    def fit(cls, config: Any, rows: LabelledRows, train: TrainLabels, watched: LabelledRows) -> Self:
        """Learn from rows on which the model was not fitted; the same rows give the same state.

        Args:
            config: of this correction.
            rows: of the day.
            train: labels of the fit days, which bucket edges and percentiles come from.
            watched: rows of other users, which say when to stop; before the first pass, where none gains on them.
        """

    def __init__(self, config: Any, state: CorrectionState) -> None:
        self.config = config
        self.state = state

    @abstractmethod
    def program(self) -> nn.Module:
        """Return it as a module: (base_B, duration_B, chances: task -> [B]) -> corrected seconds, not negative, double [B]."""

    def apply(self, rows: BaseRows) -> Floats:
        """Return corrected seconds, not negative, float64 [rows]."""
        chances = {name: torch.from_numpy(chance) for name, chance in rows.chances.items()}
        with torch.no_grad():
            found: Floats = self.program()(
                torch.from_numpy(rows.base_s), torch.from_numpy(rows.duration_s), chances
            ).numpy()
        return found
