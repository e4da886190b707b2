"""Discrete hazards with censoring: the chance to stop in each piece of the video, having come so far (SWaT-type).

Shape legend: B rows, O outputs of a head, J nodes (0 and the thresholds).
"""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.heads.base import TrainLabels
from models.heads.completion import is_complete
from models.heads.linear_loss import LinearLoss
from models.heads.links import SHARE, Links
from models.heads.survival import log_survival, survival_at
from models.heads.threshold_head import ThresholdHead
from models.heads.thresholds import ThresholdConfig, hazard_logits


class HazardConfig(ThresholdConfig):
    """Where the scale is cut."""

    kind: Literal["hazard"] = "hazard"


class Hazard(ThresholdHead, LinearLoss):
    """h_0 = P(y = 0), h_j = P(y <= t_j | y > t_(j-1)); a complete play is censored at the duration.

    Source: docs/methods/watch_time.md#discrete-hazards-with-censoring, after SWaT (arXiv 2408.07759). The curve says
    how long one would watch a video that does not end, so reading it at the duration gives P(finish).
    """

    Config = HazardConfig

    @staticmethod
    def base_logits(config: Any, cuts: NDArray[np.float32], labels: TrainLabels) -> NDArray[np.float32]:
        """Return the hazard logits of the train rows, [J]."""
        complete = is_complete(torch.from_numpy(labels.watch_s), torch.from_numpy(labels.duration_s)).numpy()
        return hazard_logits(cuts, labels.watch_s, complete & labels.truncated)

    def survival(self, out_BO: Tensor) -> Tensor:
        """Return S_j = prod_{i <= j} (1 - h_i), [B, J]."""
        return torch.exp(log_survival(self.logits(out_BO)))

    @property
    def links(self) -> Links:
        """Two per node: survived, and stopped there. With censoring one does not follow from the other."""
        return ((SHARE, 2 * self.num_outputs),)

    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return which nodes were survived and where the row stopped, 0 or 1, [B, 2 J].

        Every node that lies below the watch time was survived; the first other one is where the row stopped, unless the
        play is complete: then the label ends with the video, unless it counts replays. A longer watch than the last node
        stopped nowhere.
        """
        survived_BJ = self.exceeds(watch_B)
        reached_BJ = functional.pad(survived_BJ[:, :-1], (1, 0), value=True)
        stopped_BJ = reached_BJ & ~survived_BJ & ~self.censored(watch_B, duration_B).unsqueeze(1)
        return torch.cat([survived_BJ, stopped_BJ], dim=1).float()

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return the negative log-likelihood of every row, [B]."""
        survived_BJ, stopped_BJ = statistics_BS.chunk(2, dim=1)
        logit_BJ = self.logits(out_BO)
        return (survived_BJ * functional.softplus(logit_BJ) + stopped_BJ * functional.softplus(-logit_BJ)).sum(dim=1)

    def survival_after(self, out_BO: Tensor, seconds_B: Tensor) -> Tensor:
        """Return P(watch > t | x) at one time per row, [B]; at the duration it is P(watch >= duration | x)."""
        return survival_at(self.cuts, self.survival(out_BO), seconds_B)

    def flags(self, out_BO: Tensor, duration_B: Tensor) -> dict[str, Tensor]:
        """Return the probabilities of the classification tasks that follow from the curve, each [B].

        They cost nothing and must agree with the tasks' own towers: skip (left before 3 s), valid_play (more than 7 s,
        or all of a shorter video), long_view (18 s or all), finish.
        """
        upto = {
            "skip": duration_B.clamp(max=3),
            "valid_play": duration_B.clamp(max=7),
            "long_view": duration_B.clamp(max=18),
            "finish": duration_B,
        }
        survived = {task: self.survival_after(out_BO, seconds_B) for task, seconds_B in upto.items()}
        return survived | {"skip": 1 - survived["skip"]}
