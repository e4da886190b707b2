"""How much the loss depends on each field: F-Permutation from one backward pass per task, and permutation itself.

Source: docs/methods/attribution.md#f-permutation.

Shape legend: B rows, F attributed fields, W numbers per row.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from models.attribution.contribution import contributions
from models.attribution.fields import FieldRows


def f_permutation(rows: FieldRows) -> dict[str, Tensor]:
    """Return task -> score of every field, [F]: mean over rows of |<g_j, m_j - v_j>|.

    v_j is the vector of field j, g_j the gradient of the row's loss, m_j the mean of the field over the rows. The absolute
    value stands inside the mean: signed terms cancel at a minimum of the loss. Scores order the fields of one task; they
    are neither losses nor to be compared between tasks.

    Args:
        rows: with labels; never those of a judge day, on which nothing is chosen.
    """
    return {task: _moved(rows, task).abs().double().mean(dim=0) for task in rows.ranker.trained_tasks}


def _moved(rows: FieldRows, task: str) -> Tensor:
    """Return by how much each row's loss would change with a field at its mean, to first order, [B, F]."""
    shift_BW = rows.mean() - rows.x_BW
    return contributions(lambda x_BW: rows.losses(x_BW)[task], rows.x_BW, shift_BW, rows.layout)[1]


@torch.no_grad()
def permutation(rows: FieldRows, shuffles: int = 5, seed: int = 0) -> dict[str, Tensor]:
    """Return task -> permutation importance of every field, [F]: what the reference costs, F x T forward passes.

    That is the mean loss with a field's vector taken from another row, over T shuffles of the rows, minus the mean loss.

    Args:
        rows: with labels.
        shuffles: T.
        seed: of the shuffles; every field sees the same ones.
    """
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(rows.x_BW), generator=generator) for _ in range(shuffles)]
    before = _means(rows, rows.x_BW)
    found = {task: torch.zeros(len(rows.layout.names), dtype=torch.float64) for task in before}
    for field in range(len(rows.layout.names)):
        own_W = rows.layout.field_W == field
        for order_B in orders:
            after = _means(rows, torch.where(own_W, rows.x_BW[order_B], rows.x_BW))
            for task, loss in after.items():
                found[task][field] += (loss - before[task]) / shuffles
    return found


def _means(rows: FieldRows, x_BW: Tensor) -> Mapping[str, float]:
    return {task: float(loss_B.double().mean()) for task, loss_B in rows.losses(x_BW).items()}
