"""Dropout whose mask is drawn in an eighth of the time that torch takes on a CPU, and is the same on processors of every maker.

torch draws a number of 64 bits for every output, by a library where the processor is Intel's and one by one elsewhere, and the two
draw different masks. Here one such number decides four outputs.
"""

import torch
from torch import Tensor, nn

_LEVELS = 1 << 16
"""Equally probable values of a part of 16 bits; shares are rounded to them."""


class Dropout(nn.Dropout):
    """Leaves a share of its inputs out at random in training, and scales the rest so that the mean stays.

    Elsewhere than on a CPU it is `nn.Dropout`.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return what is left, of the same shape."""
        dropped = round(self.p * _LEVELS)
        if not self.training or dropped in (0, _LEVELS) or input.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(input)
        drawn = torch.empty((input.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
        part = drawn.view(torch.int16)[: input.numel()].view(input.shape)
        kept = (part >= dropped - _LEVELS // 2).to(input.dtype)
        return input * kept.mul_(_LEVELS / (_LEVELS - dropped))
