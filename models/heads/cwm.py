"""Counterfactual watch model (CWM): how long one would have watched, had the video not ended.

Shape legend: B rows, O outputs of a head.
"""

import math
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.component import ComponentConfig
from models.heads.base import LabelState, TrainLabels
from models.heads.linear_loss import LinearLoss
from models.heads.links import ANY, SHARE, Links
from models.logspace import logit_of_log
from models.ranges import Seconds, Weight

CLAMP = 1e-6
"""Interest is kept this far from 0 and 1; with the default cost every play below 1.9 s counts as 1.9 s."""

INDEX_BOUND = 16.0
"""More than any index that the clamp lets through; a power of two, so that dividing by it rounds nothing."""


class CwmConfig(ComponentConfig):
    """Shape of the transform and noise of the index."""

    kind: Literal["cwm"] = "cwm"
    cost_s: Seconds = 40.0
    """K in r = exp(-K / (w + 1)), seconds."""
    sigma: Weight = 2.0
    """Noise of the index, on the logit scale."""


class Cwm(LinearLoss):
    """Interest r(w) = exp(-K / (w + 1)), regressed on the logit scale; complete plays are censored at the duration.

    Source: arXiv 2406.07932; docs/methods/watch_time.md#counterfactual-watch-model. Differs from public code: one mean
    over all rows instead of one per kind of row, which was NaN without complete plays; no label is fitted, so nothing
    can leak. The decode floors -log s(f) at 1e-6 instead of adding it: the round trip is then exact. Near the median;
    the mean comes from the calibrator.
    """

    Config = CwmConfig
    # There is no native mean whose order the score could share.
    monotone: ClassVar[bool] = False
    cost: Tensor

    @classmethod
    def fit_state(cls, config: CwmConfig, labels: TrainLabels) -> LabelState:
        """Return `cost`, float32 seconds: the configured one, whatever the labels."""
        return {"cost": np.asarray(config.cost_s, dtype=np.float32)}

    def __init__(self, config: CwmConfig, state: LabelState) -> None:
        super().__init__(config, state)
        self.register_buffer("cost", torch.tensor(state["cost"]))

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1

    def index(self, watch_B: Tensor) -> Tensor:
        """Return logit(r(w)), [B]."""
        log_r_B = (-self.cost / (watch_B + 1)).clamp(math.log(CLAMP), math.log1p(-CLAMP))
        return logit_of_log(log_r_B)

    @property
    def links(self) -> Links:
        """Two: complete or not, and the index of incomplete rows."""
        return ((SHARE, 1), (ANY, 1))

    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return c = 1[complete] and (1 - c) z, as a share of its bound, [B, 2]."""
        complete_B = self.censored(watch_B, duration_B).float()
        return torch.stack([complete_B, (1 - complete_B) * self.index(watch_B) / INDEX_BOUND], dim=1)

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return (f - z)^2 / (2 sigma^2) of incomplete and -log s((f - z_d) / sigma) of complete rows, [B]."""
        f_B, sigma = out_BO[:, 0].float(), self.config.sigma
        complete_B, part_B = statistics_BS.unbind(dim=1)
        index_B = INDEX_BOUND * (part_B / (1 - complete_B).clamp(min=CLAMP)).clamp(-1, 1)
        seen_B = (f_B - index_B).square() / (2 * sigma**2)
        censored_B = functional.softplus(-(f_B - self.index(duration_B)) / sigma)
        loss_B: Tensor = complete_B * censored_B + (1 - complete_B) * seen_B
        return loss_B

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the index, [B]: the order of the seconds before clipping."""
        return out_BO[:, 0].float()

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return a value near the median in seconds, [B]."""
        seconds_B = self.cost / functional.softplus(-out_BO[:, 0].float()).clamp(min=CLAMP) - 1
        return torch.minimum(seconds_B.clamp(min=0), self.longest(duration_B))
