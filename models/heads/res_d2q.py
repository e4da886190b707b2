"""Res-D2Q: D2Q with a term of the duration alone beside the logit.

Shape legend: B rows, O outputs of a head.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from models.heads.base import LabelState
from models.heads.d2q import D2q, D2qConfig
from models.mlp import mlp
from models.ranges import Width

LOG_DURATION_SCALE = 5.0
"""log(1 + seconds) is divided by this, as where duration enters the encoder."""


class ResD2qConfig(D2qConfig):
    """Number of duration groups and size of the duration term."""

    kind: Literal["res_d2q"] = "res_d2q"  # type: ignore[assignment]
    hidden: Width = 16
    """Width of the duration term's one hidden layer."""


class ResD2q(D2q):
    """D2Q whose logit is f(x) + g(d), g a small network of the duration alone (docs/methods/watch_time.md#d2q).

    g is the only part of a head that is trained, so it belongs to the head's parameters, not to its label state. It
    starts at 0: the head then is D2Q.
    """

    Config = ResD2qConfig
    monotone: ClassVar[bool] = False

    def __init__(self, config: ResD2qConfig, state: LabelState) -> None:
        super().__init__(config, state)
        last = nn.Linear(config.hidden, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.duration_term = nn.Sequential(mlp(1, (config.hidden,), dropout=0.0), last)

    def _shifted(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        shift_B1: Tensor = self.duration_term(torch.log1p(duration_B).unsqueeze(1) / LOG_DURATION_SCALE)
        return out_BO.float() + shift_B1.float()

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return (s(f + g(d)) - U_k(y))^2 of every row, [B]."""
        return super().expected_loss(self._shifted(out_BO, duration_B), statistics_BS, duration_B)

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return icdf_k(s(f + g(d))) in seconds, [B]."""
        return super().score(self._shifted(out_BO, duration_B), duration_B)
