"""Rows that read the same sequence: the candidates of one user. What depends on the sequence alone is computed once.

Shape legend: B rows, U rows that differ, L events, N events that stand, H width, X codes of a row.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.batch import History
from models.encoders.history.ragged import Standing

_SEED = 1


@dataclass(frozen=True)
class Sharing:
    """Which rows read the same.

    Attributes:
        row_U: int64 numbers of the first rows of every kind.
        turn_B: int64, which of them each row equals.
    """

    row_U: Tensor
    turn_B: Tensor

    @classmethod
    def of(cls, history: History) -> "Sharing":
        """Compare whole rows, by a hash first; where unequal rows share a hash, every row stands for itself."""
        codes = (*history.fields.values(), history.feedback_BL, history.ratio_BL, history.gap_BL, history.mask_BL)
        code_BX = torch.cat([code_BL.long() for code_BL in codes], dim=1)
        rows, width = code_BX.shape
        number_B = torch.arange(rows, device=code_BX.device)
        hash_B = (code_BX * _weights(width).to(code_BX.device)).sum(dim=1)
        kinds, turn_B = torch.unique(hash_B, return_inverse=True)
        row_U = torch.full_like(kinds, rows).scatter_reduce(0, turn_B, number_B, "amin")
        alike = torch.equal(code_BX[row_U[turn_B]], code_BX)
        return cls(row_U, turn_B) if alike else cls(number_B, number_B)

    def first(self, history: History) -> History:
        """Return the sequences that differ."""
        fields = {name: value_BL[self.row_U] for name, value_BL in history.fields.items()}
        codes = {name: getattr(history, name)[self.row_U] for name in ("feedback_BL", "ratio_BL", "gap_BL", "mask_BL")}
        return replace(history, fields=fields, **codes)

    def spread(self, state_NH: Tensor, first: Standing, everywhere: Standing, length: int) -> Tensor:
        """Return the states of the events of all rows, from those of the rows that differ.

        Args:
            state_NH: states of the events of the rows that differ.
            first: those events.
            everywhere: the events of all rows.
            length: L.
        """
        number_S = torch.zeros(len(self.row_U) * length, dtype=torch.int64, device=state_NH.device)
        number_S[first.slot_N] = torch.arange(len(first.slot_N), device=state_NH.device)
        row_N, column_N = everywhere.slot_N // length, everywhere.slot_N % length
        return state_NH.index_select(0, number_S[self.turn_B[row_N] * length + column_N])


def _weights(width: int) -> Tensor:
    """Return fixed random factors, [X]; products wrap around."""
    bound = 2**62
    return torch.randint(-bound, bound, (width,), generator=torch.Generator().manual_seed(_SEED))
