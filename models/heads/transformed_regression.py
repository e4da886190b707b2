"""Transformed regression (TR): predict a concave transform of the seconds, so that long views do not rule the fit.

Shape legend: B rows, O outputs of a head.
"""

import math
from abc import abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from models.component import ComponentConfig
from models.heads.base import LabelState, TrainLabels
from models.heads.linear_loss import LatentRegression


class TransformedRegression(LatentRegression):
    """Squared error between f and the standardised transform of the seconds.

    Source: docs/methods/watch_time.md#transformed-regression. The usual form regresses T(y) itself. Here f regresses
    (T(y) - centre) / spread with the train rows' mean and standard deviation of T(y): the same fit, but unit-free,
    started at the mean, and an index of unit noise for models of a latent one. The back-transform of E[T(y) | x] is
    near the median and is it where T(y) is symmetric; it is low as a mean (Jensen's inequality), so the mean comes from
    the calibrator. TranSUN's second output is not here.
    """

    # There is no native mean whose order the score could share.
    monotone: ClassVar[bool] = False
    centre: Tensor
    spread: Tensor

    @classmethod
    def fit_state(cls, config: Any, labels: TrainLabels) -> LabelState:
        """Fit `centre` and `spread`, on the transformed scale; the spread is 1 where all labels are equal."""
        transformed = cls.transform(torch.from_numpy(labels.watch_s)).numpy()
        # An exact sum, so that the order of the rows does not matter.
        centre = math.fsum(transformed) / len(transformed)
        spread = math.sqrt(math.fsum((transformed - centre) ** 2) / len(transformed))
        return {
            "centre": np.asarray(centre, dtype=np.float32),
            "spread": np.asarray(spread if spread > 1e-6 else 1.0, dtype=np.float32),
        }

    def __init__(self, config: Any, state: LabelState) -> None:
        super().__init__(config, state)
        self.register_buffer("centre", torch.tensor(state["centre"]))
        self.register_buffer("spread", torch.tensor(state["spread"]))

    @staticmethod
    @abstractmethod
    def transform(seconds: Tensor) -> Tensor:
        """Return T(y)."""

    @staticmethod
    @abstractmethod
    def back(transformed: Tensor) -> Tensor:
        """Return the seconds in T's range of a value of T, at least 0."""

    def latent_label(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the standardised transform of the seconds, [B]; `log_sigma` of a latent model is on this scale."""
        return (self.transform(watch_B) - self.centre) / self.spread

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the predicted transform, [B]: the order of the seconds, and no order lost below 0 s."""
        return out_BO[:, 0].float() * self.spread + self.centre

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return a value near the median in seconds, [B]."""
        return torch.minimum(self.back(self.score(out_BO, duration_B)), self.longest(duration_B))


class TrLogConfig(ComponentConfig):
    """Nothing to set."""

    kind: Literal["tr_log"] = "tr_log"


class TrLog(TransformedRegression):
    """T = log(1 + seconds)."""

    Config = TrLogConfig

    @staticmethod
    def transform(seconds: Tensor) -> Tensor:
        """Return log(1 + y)."""
        return torch.log1p(seconds)

    @staticmethod
    def back(transformed: Tensor) -> Tensor:
        """Return exp(t) - 1, at least 0."""
        return torch.expm1(transformed).clamp(min=0)


class TrSqrtConfig(ComponentConfig):
    """Nothing to set."""

    kind: Literal["tr_sqrt"] = "tr_sqrt"


class TrSqrt(TransformedRegression):
    """T = sqrt(seconds)."""

    Config = TrSqrtConfig

    @staticmethod
    def transform(seconds: Tensor) -> Tensor:
        """Return sqrt(y)."""
        return torch.sqrt(seconds)

    @staticmethod
    def back(transformed: Tensor) -> Tensor:
        """Return t^2, 0 for a negative t."""
        return transformed.clamp(min=0).square()
