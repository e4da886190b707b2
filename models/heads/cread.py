"""CREAD: classification at adaptive thresholds, restored to seconds.

Shape legend: B rows, O outputs of a head, J nodes (0 and the thresholds).
"""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.heads.base import LabelState, TrainLabels
from models.heads.finite_law import NUM_NODES, nodes
from models.heads.label_scale import label_scale
from models.heads.links import LAW, SHARE, Links
from models.heads.placed_thresholds import PlacedConfig, PlacedThresholds
from models.heads.survival import log_survival
from models.heads.thresholds import hazard_logits, survival_logits
from models.logspace import log_complement
from models.ranges import Seconds, WeightOrNone


class CreadConfig(PlacedConfig):
    """Where the scale is cut and what the loss consists of."""

    kind: Literal["cread"] = "cread"
    monotone_survival: bool = True
    """Outputs are hazards, so that P(watch > t) cannot rise with t; false: free sigmoids, as published."""
    restoration_weight: WeightOrNone = 1.0
    """Weight of Huber's loss between the restored and the true watch time, in units of `scale_s`."""
    order_weight: WeightOrNone = 2e-5
    """Weight of the penalty on a rising P(watch > t); always 0 for hazards."""
    scale_s: Seconds | None = 20.0
    """Seconds that labels are divided by in Huber's loss; null takes the train rows' 90th percentile."""


class Cread(PlacedThresholds):
    """Cross-entropies at EAD thresholds, Huber's loss on the restored mean and a penalty on disorder.

    Source: CREAD (secondary, public code); docs/methods/watch_time.md#cread. Ours: hazards instead of free sigmoids,
    the atom at 0 as an output of its own, the trapezoid rule up to the duration in place of the right-end sum, and the
    whole loss divided by the number of nodes, so that it weighs as much as one classification.
    """

    Config = CreadConfig
    scale: Tensor

    @classmethod
    def fit_state(cls, config: Any, labels: TrainLabels) -> LabelState:
        """Fit `cuts`, float32 seconds [J], and `scale`, seconds."""
        scale = np.asarray(label_scale(config.scale_s, labels, quantile=0.9), dtype=np.float32)
        return super().fit_state(config, labels) | {"scale": scale}

    @staticmethod
    def base_logits(config: Any, cuts: NDArray[np.float32], labels: TrainLabels) -> NDArray[np.float32]:
        """Return the train rows' hazard logits, or survival logits for free sigmoids, [J]."""
        if config.monotone_survival:
            return hazard_logits(cuts, labels.watch_s, np.zeros(len(labels.watch_s), dtype=np.bool_))
        return survival_logits(cuts, labels.watch_s)

    def __init__(self, config: Any, state: LabelState) -> None:
        super().__init__(config, state)
        self.register_buffer("scale", torch.tensor(state["scale"]))

    def survival(self, out_BO: Tensor) -> Tensor:
        """Return P(watch > t_j | x) at the nodes, [B, J]."""
        if self.bins is not None:
            return self.grown_curve(out_BO)[0].exp()
        if self.config.monotone_survival:
            return torch.exp(log_survival(self.logits(out_BO)))
        return torch.sigmoid(self.logits(out_BO))

    def loss(self, out_BO: Tensor, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return (sum of cross-entropies + Huber + disorder) / J of every row, [B]."""
        restored_B = self.decode_mean(out_BO, duration_B) / self.scale
        restoration_B = functional.huber_loss(restored_B, watch_B / self.scale, reduction="none")
        return self._loss(out_BO, self.exceeds(watch_B).float(), restoration_B)

    @property
    def links(self) -> Links:
        """One per node of the curve for the cross-entropies, and a finite law for Huber's loss."""
        return ((SHARE, self.num_outputs), (LAW, NUM_NODES))

    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return 1[y > t_j], and the label as a finite law, [B, S]."""
        return torch.cat([self.exceeds(watch_B).float(), super().statistics(watch_B, duration_B)], dim=1)

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return the loss with soft targets, Huber's averaged over the law, [B]."""
        above_BJ, law_BN = torch.split(statistics_BS, [self.num_outputs, NUM_NODES], dim=1)
        node_BN = nodes(self.longest(duration_B)) / self.scale
        restored_BN = (self.decode_mean(out_BO, duration_B) / self.scale).unsqueeze(1).expand_as(node_BN)
        restoration_BN = functional.huber_loss(restored_BN, node_BN, reduction="none")
        return self._loss(out_BO, above_BJ, (law_BN * restoration_BN).sum(dim=1))

    def _loss(self, out_BO: Tensor, above_BJ: Tensor, restoration_B: Tensor) -> Tensor:
        disorder_B = functional.relu(self.survival(out_BO).diff(dim=1)).sum(dim=1)
        penalties_B: Tensor = self.config.restoration_weight * restoration_B + self.config.order_weight * disorder_B
        entropy_B, asked = self.cross_entropy(out_BO, above_BJ)
        return entropy_B + penalties_B / asked

    def first_curve(self, logit_BJ: Tensor) -> tuple[Tensor, Tensor]:
        """Return log S and log(1 - S), [B, J] each."""
        if not self.config.monotone_survival:
            return functional.logsigmoid(logit_BJ), functional.logsigmoid(-logit_BJ)
        log_p_BJ = log_survival(logit_BJ)
        return log_p_BJ, log_complement(log_p_BJ)

    def entropies(self, logit_BO: Tensor, above_BO: Tensor) -> Tensor:
        """Return the cross-entropy of every node, [B, J]."""
        if not self.config.monotone_survival:
            return functional.binary_cross_entropy_with_logits(logit_BO, above_BO, reduction="none")
        log_p_BJ, log_q_BJ = self.first_curve(logit_BO)
        return -(above_BO * log_p_BJ + (1 - above_BO) * log_q_BJ)
