"""Conditional quantile estimation (CQE): many quantiles of watch time at once, ordered by construction.

Shape legend: B rows, O outputs of a head, N quantiles, J = N + 2 nodes of the survival curve.
"""

import math
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from models.component import ComponentConfig
from models.heads.base import Head, LabelState, TrainLabels
from models.heads.label_scale import label_scale
from models.heads.survival import restricted_mean, survival_median
from models.ranges import Groups, Number, Seconds, Share

LEAST_STEP = 0.1
"""Floor of a step between quantiles at zero outputs, as a share of the mean step."""


class CqeConfig(ComponentConfig):
    """Number of quantiles and what the ranking score is.

    Raises:
        ValueError: if `low` is not below `high`.
    """

    kind: Literal["cqe"] = "cqe"
    quantiles: Groups = 100
    """N; the i-th is at level i / (N + 1)."""
    rank_by: Literal["cde", "cse", "dqc"] = "cde"
    """Score: expectation (CDE), the low quantile (CSE), or a mixture of a low and a high one (DQC)."""
    low: Number = Field(default=0.25, gt=0, lt=1)
    """Level of the low quantile of CSE and DQC."""
    high: Number = Field(default=0.75, gt=0, lt=1)
    """Level of the high quantile of DQC."""
    low_share: Share = 0.5
    """DQC's k: weight of the low quantile; the high one gets the rest."""
    scale_s: Seconds | None = 20.0
    """Seconds that labels are divided by; null takes the train rows' 90th percentile."""

    @model_validator(mode="after")
    def _ordered(self) -> "CqeConfig":
        if self.low >= self.high:
            raise ValueError(f"cqe: low={self.low} must be below high={self.high}")
        return self


class Cqe(Head):
    """Cumulative softplus steps give the quantiles; the loss is the mean pinball loss.

    Source: arXiv 2407.12223; docs/methods/watch_time.md#conditional-quantile-estimation. Ours: softplus steps (ReLU
    steps die), and each step is measured in the train rows' own step between these levels, so that an untrained head
    predicts about the train quantiles.
    """

    Config = CqeConfig
    # Only the default score, the expectation, has the order of the mean.
    monotone: ClassVar[bool] = False
    steps: Tensor
    scale: Tensor
    levels: Tensor

    @classmethod
    def fit_state(cls, config: CqeConfig, labels: TrainLabels) -> LabelState:
        """Fit `steps`, float32 seconds [N], and `scale`, seconds."""
        quantiles = np.quantile(labels.watch_s, _levels(config.quantiles))
        steps = np.diff(quantiles, prepend=0.0)
        floor = max(LEAST_STEP * quantiles[-1] / config.quantiles, 1e-3)
        scale = label_scale(config.scale_s, labels, quantile=0.9)
        return {
            "steps": np.maximum(steps, floor).astype(np.float32),
            "scale": np.asarray(scale, dtype=np.float32),
        }

    def __init__(self, config: Any, state: LabelState) -> None:
        super().__init__(config, state)
        for name in ("steps", "scale"):
            self.register_buffer(name, torch.tensor(state[name]))
        self.register_buffer("levels", torch.tensor(_levels(config.quantiles), dtype=torch.float32), persistent=False)

    @property
    def num_outputs(self) -> int:
        """One per quantile."""
        return self.steps.shape[0]

    def quantiles(self, out_BO: Tensor) -> Tensor:
        """Return the quantiles in seconds, non-decreasing, [B, N]; they may lie beyond the duration."""
        return (functional.softplus(out_BO.float()) / math.log(2) * self.steps).cumsum(dim=1)

    def loss(self, out_BO: Tensor, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the mean pinball loss of every row, [B], in units of `scale`."""
        error_BN = (watch_B.unsqueeze(1) - self.quantiles(out_BO)) / self.scale
        return torch.maximum(self.levels * error_BN, (self.levels - 1) * error_BN).mean(dim=1)

    def quantile(self, out_BO: Tensor, level: float) -> Tensor:
        """Return the quantile at any level in seconds, [B]: linear between the predicted ones, constant beyond them."""
        quantile_BN = self.quantiles(out_BO)
        position = min(max(level * (self.num_outputs + 1) - 1, 0), self.num_outputs - 1)
        lower, upper = math.floor(position), math.ceil(position)
        return torch.lerp(quantile_BN[:, lower], quantile_BN[:, upper], position - lower)

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return what `rank_by` names, in seconds, [B]."""
        if self.config.rank_by == "cde":
            return self.decode_mean(out_BO, duration_B)
        low_B = self.quantile(out_BO, self.config.low)
        if self.config.rank_by == "cse":
            return low_B
        return torch.lerp(self.quantile(out_BO, self.config.high), low_B, self.config.low_share)

    def decode_mean(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return CDE in seconds, [B]: the expectation of the interpolated quantile function, cut at `longest` inside."""
        nodes_BJ, survival_BJ = self._curve(out_BO)
        return restricted_mean(nodes_BJ, survival_BJ, self.longest(duration_B))

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the quantile at 1/2 in seconds, [B]."""
        nodes_BJ, survival_BJ = self._curve(out_BO)
        return survival_median(nodes_BJ, survival_BJ, self.longest(duration_B))

    def _curve(self, out_BO: Tensor) -> tuple[Tensor, Tensor]:
        """Return nodes and survival, [B, J]: 0, the lowest quantile twice, for all below it lies there, the others."""
        quantile_BN = self.quantiles(out_BO)
        nodes_BJ = torch.cat([torch.zeros_like(quantile_BN[:, :1]), quantile_BN[:, :1], quantile_BN], dim=1)
        survival_J = functional.pad(1 - self.levels, (2, 0), value=1.0)
        return nodes_BJ, survival_J.expand(nodes_BJ.shape)


def _levels(quantiles: int) -> NDArray[np.float64]:
    return np.arange(1, quantiles + 1) / (quantiles + 1)
