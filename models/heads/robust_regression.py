"""Value regression under losses between the squared and the absolute error: less ruled by long views, and no mean.

Shape legend: B rows, O outputs of a head.
"""

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from models.heads.base import LabelState, TrainLabels
from models.heads.label_scale import MIN_SCALE_S
from models.heads.value_regression import ValueRegression, ValueRegressionConfig
from models.ranges import Seconds


class RobustRegression(ValueRegression):
    """Predicts softplus(f) * c seconds under a robust loss (docs/methods/watch_time.md#value-regression).

    What it estimates lies between the median and the mean: for a lognormal(2.5, 1) of mean 20.1 s and median 12.2 s the
    pseudo-Huber constant is 14.1 s at bend 10 s and 18.7 s at 100 s. The mean comes from the calibrator. Never use it
    where E[y | x] is needed (IPS and DR nuisance models).
    """

    # There is no native mean whose order the score could share.
    monotone: ClassVar[bool] = False

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return a value near the median in seconds, [B]."""
        return self._clipped(out_BO, duration_B)


class VrHuberConfig(ValueRegressionConfig):
    """Value regression under Huber's loss."""

    kind: Literal["vr_huber"] = "vr_huber"
    delta_s: Seconds = 10.0
    """Error in seconds from which on the loss is linear."""


class VrHuber(RobustRegression):
    """Huber's loss: squared up to `delta_s`, linear beyond."""

    Config = VrHuberConfig

    def row_loss(self, predicted_B: Tensor, target_B: Tensor) -> Tensor:
        """Return Huber's loss, [B]."""
        delta = self.config.delta_s / self.scale
        error_B = (predicted_B - target_B).abs()
        return torch.where(error_B <= delta, 0.5 * error_B.square(), delta * (error_B - 0.5 * delta))


class VrPseudoHuberConfig(ValueRegressionConfig):
    """Value regression under the pseudo-Huber loss."""

    kind: Literal["vr_phuber"] = "vr_phuber"
    bend_s: Seconds | None = None
    """The loss's c in seconds; null takes the median absolute deviation of the train rows."""


class VrPseudoHuber(RobustRegression):
    """Pseudo-Huber: sqrt(r^2 + c^2) - c, smooth everywhere.

    c is best taken from yesterday's residuals. Our reading: from the residuals of the one prediction that is
    known before the fit, the train median, so that the state stays a function of the train labels.
    """

    Config = VrPseudoHuberConfig
    bend: Tensor

    @classmethod
    def fit_state(cls, config: Any, labels: TrainLabels) -> LabelState:
        """Fit `scale` and `bend`, both in seconds."""
        bend_s = config.bend_s
        if bend_s is None:
            residuals = np.abs(labels.watch_s - np.median(labels.watch_s))
            bend_s = max(float(np.median(residuals)), MIN_SCALE_S)
        return super().fit_state(config, labels) | {"bend": np.asarray(bend_s, dtype=np.float32)}

    def __init__(self, config: Any, state: LabelState) -> None:
        super().__init__(config, state)
        self.register_buffer("bend", torch.tensor(state["bend"]))

    def row_loss(self, predicted_B: Tensor, target_B: Tensor) -> Tensor:
        """Return sqrt(r^2 + c^2) - c, [B], in the form that does not cancel for small r."""
        bend = self.bend / self.scale
        squared_B = (predicted_B - target_B).square()
        return squared_B / (torch.sqrt(squared_B + bend.square()) + bend)
