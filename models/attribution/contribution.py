"""A field's share of a change, to first order: the one line that F-Permutation and integrated gradients have in common.

Shape legend: B rows, F attributed fields, W numbers per row.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from models.attribution.fields import FieldLayout


def contributions(
    value: Callable[[Tensor], Tensor], at_BW: Tensor, shift_BW: Tensor, layout: FieldLayout
) -> tuple[Tensor, Tensor]:
    """Return the value at a point, [B], and <gradient, shift> of every row summed over each field's numbers, [B, F].

    Args:
        value: a function of each row alone, [B]; rows may not mix, so that one backward pass gives all of their gradients.
        at_BW: where the gradient is taken.
        shift_BW: by what each number would change.
        layout: which number belongs to which field.
    """
    point_BW = at_BW.detach().requires_grad_()
    value_B = value(point_BW)
    (gradient_BW,) = torch.autograd.grad(value_B.sum(), point_BW)
    return value_B.detach(), layout.by_field(gradient_BW * shift_BW)
