"""Ordinal regression (OR): one yes-or-no question per threshold, "watched longer than this?".

Shape legend: B rows, O outputs of a head, J nodes (0 and the thresholds), M = J - 1 thresholds.
"""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.heads.base import TrainLabels
from models.heads.linear_loss import LinearLoss
from models.heads.links import SHARE, Links
from models.heads.threshold_head import ThresholdHead
from models.heads.thresholds import ThresholdConfig, survival_logits


class OrdinalConfig(ThresholdConfig):
    """Where the scale is cut."""

    kind: Literal["ordinal"] = "ordinal"


class Ordinal(ThresholdHead, LinearLoss):
    """p_m = s(f_m) for 1[y > t_m]; the mean is sum_m p_m (t_m - t_(m-1)).

    Source: docs/methods/watch_time.md#ordinal-regression. The plain form, kept as it is known: the sum takes each bin's
    right end, so it is low; nothing keeps p_m from rising with m; zeros are no event of their own. `cread` mends all
    three. Differs: the thresholds are EAD's, bins beyond the duration do not count, and the loss is the mean over
    thresholds instead of the sum, so that it weighs as much as one classification whatever M is.
    """

    Config = OrdinalConfig

    @staticmethod
    def base_logits(config: Any, cuts: NDArray[np.float32], labels: TrainLabels) -> NDArray[np.float32]:
        """Return logit P(watch > t_j) of the train rows, [J]."""
        return survival_logits(cuts, labels.watch_s)

    @property
    def num_outputs(self) -> int:
        """One per threshold above 0."""
        return self.cuts.shape[0] - 1

    def survival(self, out_BO: Tensor) -> Tensor:
        """Return p at the nodes, [B, J]; 1 at 0 s."""
        return functional.pad(torch.sigmoid(self.logits(out_BO)), (1, 0), value=1.0)

    @property
    def links(self) -> Links:
        """One per threshold above 0."""
        return ((SHARE, self.num_outputs),)

    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return 1[y > t_m], [B, M]."""
        return self.exceeds(watch_B)[:, 1:].float()

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return the mean cross-entropy of the thresholds of every row, [B]."""
        logit_BM = self.logits(out_BO)
        return functional.binary_cross_entropy_with_logits(logit_BM, statistics_BS, reduction="none").mean(dim=1)

    def integral(self, out_BO: Tensor, upper_B: Tensor) -> Tensor:
        """Return the integral of the steps p_m on (t_(m-1), t_m] up to `upper_B`, seconds [B]."""
        width_BM = torch.minimum(self.cuts, upper_B.unsqueeze(1)).diff(dim=1)
        return torch.minimum((self.survival(out_BO)[:, 1:] * width_BM).sum(dim=1), upper_B)
