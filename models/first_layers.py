"""The first layers of several networks that read one encoding, as one product of matrices.

Dense features need no gradient, and in the plain product half of the backward pass is spent on theirs.

Shapes: B rows, E encoder output width, O outputs of all layers together.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from models.encoders.base import Encoded
from models.joined import joined


def first_layers(encoded: Encoded, layers: Sequence[nn.Linear]) -> Tensor:
    """Return the outputs of the layers side by side, [B, O]."""
    weight_OE = joined([layer.weight for layer in layers])
    bias_O = None
    if any(layer.bias is not None for layer in layers):
        bias_O = joined(
            [layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias for layer in layers]
        )
    learned = encoded.num_learned
    if learned == encoded.flat_BE.shape[1] or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
        return functional.linear(encoded.flat_BE, weight_OE, bias_O)
    out_BO: Tensor = _PartlyLearned.apply(encoded.flat_BE, weight_OE, bias_O, learned)  # type: ignore[no-untyped-call]
    return out_BO


class _PartlyLearned(torch.autograd.Function):
    """A linear map whose first inputs alone get a gradient; that of the others is 0, and nobody reads it."""

    @staticmethod
    def forward(ctx: Any, x_BE: Tensor, weight_OE: Tensor, bias_O: Tensor | None, learned: int) -> Tensor:
        ctx.save_for_backward(x_BE, weight_OE)
        ctx.learned = learned
        return functional.linear(x_BE, weight_OE, bias_O)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_BO: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x_BE, weight_OE = ctx.saved_tensors
        of_x_BE = None
        if ctx.needs_input_grad[0]:
            of_x_BE = torch.zeros_like(x_BE)
            torch.mm(gradient_BO, weight_OE[:, : ctx.learned], out=of_x_BE[:, : ctx.learned])
        of_weight_OE = gradient_BO.t().mm(x_BE) if ctx.needs_input_grad[1] else None
        return of_x_BE, of_weight_OE, gradient_BO.sum(dim=0) if ctx.needs_input_grad[2] else None, None
