"""The factorisation machine (Rendle, ICDM 2010).

Shapes: N rows of a batch, F fields, K factors.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.fields.rows import FieldRows
from tasks.evaluate.metrics.inputs import FloatArray, IntArray

_ROWS_AT_ONCE = 65_536


class FactorisationMachine(nn.Module):
    """w + sum_f w_f + sum_{f < g} <v_f, v_g>; a history counts as one field, by the mean of its codes.

    Args:
        num_codes: codes of all fields together.
        factors: K.
    """

    def __init__(self, num_codes: int, factors: int) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(()))
        # The weight of a code lies beside its factors: one look-up gives both.
        self.table = nn.Parameter(torch.cat([torch.zeros(num_codes, 1), 0.01 * torch.randn(num_codes, factors)], dim=1))

    def forward(self, rows: FieldRows, index_N: IntArray) -> Tensor:
        """Return the [N] logits of some rows."""
        found_NFK = self.table[torch.from_numpy(rows.code_BF[index_N])]
        # An empty history has the mean 0.
        means = [
            functional.embedding_bag(code, self.table, start)
            for code, start in (h.bags(index_N) for h in rows.histories)
        ]
        found_NFK = torch.cat([found_NFK, *(mean_NK.unsqueeze(1) for mean_NK in means)], dim=1)
        weight_NF, factor_NFK = found_NFK[..., 0], found_NFK[..., 1:]
        squares_NK = factor_NFK.sum(dim=1).square() - factor_NFK.square().sum(dim=1)
        return self.offset + weight_NF.sum(dim=1) + 0.5 * squares_NK.sum(dim=1)

    @torch.no_grad()
    def scores(self, rows: FieldRows) -> FloatArray:
        """Return the [B] logits of all rows."""
        starts = range(0, len(rows), _ROWS_AT_ONCE)
        parts = [self(rows, np.arange(start, min(start + _ROWS_AT_ONCE, len(rows)))) for start in starts]
        scores: FloatArray = torch.cat(parts).double().numpy()
        return scores
