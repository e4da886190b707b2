"""What heads share that predict P(watch > t_m | x) at fitted thresholds.

Shape legend: B rows, O outputs of a head, J nodes (0 and the thresholds).
"""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.heads.base import Head, LabelState, TrainLabels
from models.heads.survival import restricted_mean, survival_median
from models.heads.thresholds import fit_cuts


class ThresholdHead(Head):
    """One output per node 0 = t_0 < t_1 < ...; a subclass turns them into the survival curve at the nodes.

    Outputs are added to the train rows' own logits (our choice), so that an untrained head predicts the train rows'
    distribution: hazards of 1/2 at 50 nodes would be far from any.
    The score is what would be watched if the video did not end, at most the duration: min(integral of the whole curve,
    duration). Our choice, made on the validation day of protocol R0, where it orders rows better than the native mean,
    the integral up to the duration, which mixes interest with length.
    """

    monotone: ClassVar[bool] = False
    cuts: Tensor
    base: Tensor

    @classmethod
    def fit_state(cls, config: Any, labels: TrainLabels) -> LabelState:
        """Fit `cuts`, float32 seconds [J], and `base`, the train rows' logits, float32 [J]."""
        cuts = fit_cuts(config, labels)
        return {"cuts": cuts, "base": cls.base_logits(config, cuts, labels)}

    @staticmethod
    @abstractmethod
    def base_logits(config: Any, cuts: NDArray[np.float32], labels: TrainLabels) -> NDArray[np.float32]:
        """Return the logits under which the head predicts the train rows' distribution, [J]."""

    def __init__(self, config: Any, state: LabelState) -> None:
        super().__init__(config, state)
        self.register_buffer("cuts", torch.tensor(state["cuts"]))
        self.register_buffer("base", torch.tensor(state["base"]))

    @property
    def num_outputs(self) -> int:
        """One per node."""
        return self.cuts.shape[0]

    def logits(self, out_BO: Tensor) -> Tensor:
        """Return outputs and train logits together, [B, O]."""
        return out_BO.float() + self.base[-self.num_outputs :]

    @abstractmethod
    def survival(self, out_BO: Tensor) -> Tensor:
        """Return P(watch > t_j | x) at the nodes, [B, J]."""

    def exceeds(self, watch_B: Tensor) -> Tensor:
        """Return which nodes a watch time lies above, bool [B, J]."""
        return watch_B.unsqueeze(1) > self.cuts

    def integral(self, out_BO: Tensor, upper_B: Tensor) -> Tensor:
        """Return the integral of the survival curve from 0 to `upper_B`, seconds [B]."""
        return restricted_mean(self.cuts, self.survival(out_BO), upper_B)

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the integral of the survival curve over all nodes, clipped to `longest`, in seconds [B]."""
        return torch.minimum(self.integral(out_BO, self.cuts[-1].expand_as(duration_B)), self.longest(duration_B))

    def decode_mean(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return E[watch | x] in seconds, [B]: the integral of the survival curve from 0 to `longest`."""
        return self.integral(out_BO, self.longest(duration_B))

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the first crossing of 1/2 in seconds, [B], linear inside a bin, 0 where P(watch > 0) <= 1/2."""
        return survival_median(self.cuts, self.survival(out_BO), self.longest(duration_B))
