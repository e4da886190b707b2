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
from models.heads.placed_thresholds import PlacedConfig, PlacedThresholds
from models.heads.thresholds import survival_logits


class OrdinalConfig(PlacedConfig):
    """Where the scale is cut."""

    kind: Literal["ordinal"] = "ordinal"


class Ordinal(PlacedThresholds, LinearLoss):
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
        """One per threshold above 0; where bins grow zeros are one of their own, with a threshold at 0."""
        return self.cuts.shape[0] - (self.bins is None)

    def survival(self, out_BO: Tensor) -> Tensor:
        """Return p at the nodes, [B, J]; 1 at 0 s, unless bins grow."""
        if self.bins is not None:
            return self.grown_curve(out_BO)[0].exp()
        return functional.pad(torch.sigmoid(self.logits(out_BO)), (1, 0), value=1.0)

    @property
    def links(self) -> Links:
        """One per threshold that has an output."""
        return ((SHARE, self.num_outputs),)

    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return 1[y > t_m], [B, O]."""
        return self.exceeds(watch_B)[:, -self.num_outputs :].float()

    def first_curve(self, logit_BJ: Tensor) -> tuple[Tensor, Tensor]:
        """Return log p and log(1 - p), [B, J] each."""
        return functional.logsigmoid(logit_BJ), functional.logsigmoid(-logit_BJ)

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return the mean cross-entropy of the thresholds of every row, [B]."""
        return self.cross_entropy(out_BO, statistics_BS)[0]

    def entropies(self, logit_BO: Tensor, above_BO: Tensor) -> Tensor:
        """Return the cross-entropy of every threshold, [B, O]."""
        return functional.binary_cross_entropy_with_logits(logit_BO, above_BO, reduction="none")

    def integral(self, out_BO: Tensor, upper_B: Tensor) -> Tensor:
        """Return the integral of the steps p_m on (t_(m-1), t_m] up to `upper_B`, seconds [B]."""
        width_BM = torch.minimum(self.cuts, upper_B.unsqueeze(1)).diff(dim=1)
        return torch.minimum((self.survival(out_BO)[:, 1:] * width_BM).sum(dim=1), upper_B)
