"""Mixtures of one exponential (skips) and Gaussians (ways of watching): EGMN and HEGM.

Shape legend: B rows, O outputs of a head, K Gaussians, C = K + 1 components, the exponential first, A atoms (0 or 1).
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from models.component import ComponentConfig
from models.heads.base import Head, LabelState, TrainLabels
from models.heads.label_scale import label_scale
from models.ranges import Copies, Number, Seconds, Share, WeightOrNone

BISECTIONS = 26
"""Of [0, duration]; 40 are usual, but a float32 holds no more than 24 halvings."""

START_RATE = 20.0

LEAST_WIDTH_S = 1e-3
"""Labels are whole milliseconds: no component may be narrower."""


@dataclass(frozen=True)
class Mixture:
    """p(y) = pi_0 Exp(rate) + sum_k pi_k N(mean_k, spread_k), y in units of the label scale, beside an atom at 0.

    Attributes:
        log_weight_BC: log pi.
        rate_B: of the exponential.
        mean_BK: of the Gaussians.
        spread_BK: their standard deviations.
        zero_logit_B: logit P(y = 0); None: there is no atom.
    """

    log_weight_BC: Tensor
    rate_B: Tensor
    mean_BK: Tensor
    spread_BK: Tensor
    zero_logit_B: Tensor | None

    @property
    def weights(self) -> Tensor:
        """Return pi, summing to 1, [B, C]."""
        return self.log_weight_BC.exp()

    def log_density(self, y_B: Tensor) -> Tensor:
        """Return log p(y), [B]; with an atom it is log P(y = 0) where y is 0."""
        exponential_B = self.rate_B.log() - self.rate_B * y_B
        z_BK = (y_B.unsqueeze(1) - self.mean_BK) / self.spread_BK
        gaussian_BK = -0.5 * z_BK.square() - self.spread_BK.log() - 0.5 * math.log(2 * math.pi)
        components_BC = torch.cat([exponential_B.unsqueeze(1), gaussian_BK], dim=1)
        log_density_B = torch.logsumexp(self.log_weight_BC + components_BC, dim=1)
        if self.zero_logit_B is None:
            return log_density_B
        positive_B = log_density_B + functional.logsigmoid(-self.zero_logit_B)
        return torch.where(y_B > 0, positive_B, functional.logsigmoid(self.zero_logit_B))

    def cdf(self, y_B: Tensor) -> Tensor:
        """Return P(Y <= y) for y >= 0, [B]; Gaussian mass below 0 counts as 0."""
        exponential_B = -torch.expm1(-self.rate_B * y_B)
        gaussian_BK = torch.special.ndtr((y_B.unsqueeze(1) - self.mean_BK) / self.spread_BK)
        below_B = (self.weights * torch.cat([exponential_B.unsqueeze(1), gaussian_BK], dim=1)).sum(dim=1)
        return 1 - self._positive() * (1 - below_B)

    def clipped_mean(self, upper_B: Tensor) -> Tensor:
        """Return E[min(max(Y, 0), upper)] in closed form, [B]."""
        upper_B1 = upper_B.unsqueeze(1)
        low_BK, high_BK = -self.mean_BK / self.spread_BK, (upper_B1 - self.mean_BK) / self.spread_BK
        below_low_BK, below_high_BK = torch.special.ndtr(low_BK), torch.special.ndtr(high_BK)
        # E[min(max(Y, 0), u)] of N(m, s): u times the mass above u, plus the truncated first moment between 0 and u.
        gaussian_BK = (
            upper_B1 * torch.special.ndtr(-high_BK)
            + self.mean_BK * (below_high_BK - below_low_BK)
            - self.spread_BK * (_normal_density(high_BK) - _normal_density(low_BK))
        )
        exponential_B = -torch.expm1(-self.rate_B * upper_B) / self.rate_B
        components_BC = torch.cat([exponential_B.unsqueeze(1), gaussian_BK], dim=1)
        mean_B = self._positive() * (self.weights * components_BC).sum(dim=1)
        return torch.minimum(mean_B.clamp(min=0), upper_B)

    def clipped_median(self, upper_B: Tensor) -> Tensor:
        """Return the median of min(max(Y, 0), upper), [B], by bisection."""
        low_B, high_B = torch.zeros_like(upper_B), upper_B
        for _ in range(BISECTIONS):
            middle_B = (low_B + high_B) / 2
            below_B = self.cdf(middle_B) < 0.5
            low_B, high_B = torch.where(below_B, middle_B, low_B), torch.where(below_B, high_B, middle_B)
        return (low_B + high_B) / 2

    def _positive(self) -> Tensor | float:
        """Return P(y is not at the atom), [B]."""
        return 1.0 if self.zero_logit_B is None else torch.sigmoid(-self.zero_logit_B)


class ExponentialGaussianConfig(ComponentConfig):
    """Size of the mixture and its guards against collapse."""

    mean_weight: WeightOrNone = 1.0
    """Weight of |E - y|, in units of `scale_s`."""
    least_width: Number = Field(default=0.01, gt=0, le=1000)
    """Narrowest component, in units of `scale_s`: least standard deviation, and least mean of the exponential."""
    zero_share: Share = 0.05
    """Share of zeros among the train rows above which P(watch = 0) gets an output of its own."""
    scale_s: Seconds | None = None
    """Seconds that labels are divided by; null takes the train rows' 99th percentile."""


class ExponentialGaussian(Head):
    """Negative log-likelihood of the mixture plus the absolute error of its mean.

    Source: docs/methods/watch_time.md#exponential-gaussian-mixtures. Without a floor components collapse onto single
    labels, above all onto the atom at 0, whose likelihood has no bound: the floor holds for the Gaussians' widths and,
    our choice, for the exponential's mean. Where more than 5 % of the train rows are 0, P(y = 0) is an output of its
    own and the mixture is that of positive labels. The mean is clipped to [0, duration] inside the expectation; the
    score is that mean, which has no ties at the duration to lose order by.
    """

    monotone: ClassVar[bool] = True
    scale: Tensor
    start: Tensor

    @classmethod
    def fit_state(cls, config: Any, labels: TrainLabels) -> LabelState:
        """Fit `scale`, seconds, and `start`, what is added to the outputs, float32 [O].

        Outputs of 0 then mean: equal weights, the published rate of 20, and Gaussians over K equal-frequency bins of the
        train rows (our choice; equal Gaussians would stay equal); the share of zeros, if it is modelled, is the train
        rows'.
        """
        scale = label_scale(config.scale_s, labels, quantile=0.99)
        components, width = config.components, _least_width(scale, config.least_width)
        positive = labels.watch_s > 0
        zeros = len(positive) - np.count_nonzero(positive)
        # A point mass has no density: where it is large it gets its own output, and the mixture is of positive labels only.
        has_atom = zeros > config.zero_share * len(positive)
        modelled_s = labels.watch_s[positive] if has_atom and zeros < len(positive) else labels.watch_s
        # 2 K + 1 quantiles: the odd ones are the bins' medians, the even ones their edges.
        quantiles = np.quantile(modelled_s, np.arange(2 * components + 1) / (2 * components)) / scale
        means = quantiles[1::2] - cls.least_mean(1 / START_RATE + width)
        # Half a bin's width, less the floor that the softplus is added to.
        spreads = np.diff(quantiles[::2]) / 2 - width
        start = [
            # In the order in which the outputs are read: rate, weights, means, spreads, atom.
            [_inverse_softplus(START_RATE / 2) * 2],
            cls.start_weights(components),
            _inverse_softplus(np.maximum(means, width)),
            _inverse_softplus(np.maximum(spreads, width)),
            [np.log((zeros + 0.5) / (len(positive) - zeros + 0.5))] if has_atom else [],
        ]
        return {"scale": np.asarray(scale, dtype=np.float32), "start": np.concatenate(start).astype(np.float32)}

    def __init__(self, config: Any, state: LabelState) -> None:
        super().__init__(config, state)
        self.register_buffer("scale", torch.tensor(state["scale"]))
        self.register_buffer("start", torch.tensor(state["start"]))
        self.least_width = _least_width(float(self.scale), config.least_width)

    @property
    def num_outputs(self) -> int:
        """3 K + 2: rate, K + 1 weights, K means, K spreads; one more for the atom at 0."""
        return self.start.shape[0]

    @staticmethod
    @abstractmethod
    def start_weights(components: int) -> NDArray[np.float64]:
        """Return the weights' outputs under which all C components are equal, [C]."""

    @staticmethod
    @abstractmethod
    def least_mean(exponential_mean: Any) -> Any:
        """Return the Gaussians' least mean, given the exponential's, in units of `scale`."""

    @abstractmethod
    def log_weights(self, out_BC: Tensor) -> Tensor:
        """Return log pi of the weights' outputs, [B, C]."""

    @abstractmethod
    def penalty(self, mixture: Mixture) -> Tensor:
        """Return what the head adds to the loss of every row, [B]."""

    def mixture(self, out_BO: Tensor) -> Mixture:
        """Return the mixture of every row."""
        components = self.config.components
        atom = self.num_outputs - (3 * components + 2)
        rate_out_B1, weight_BC, mean_BK, spread_BK, zero_BA = torch.split(
            out_BO.float() + self.start, [1, components + 1, components, components, atom], dim=1
        )
        rate_B = functional.softplus(rate_out_B1[:, 0], beta=0.5) + 1e-6
        # The exponential's mean becomes 1 / rate + width: a cap on the rate through which gradient still passes.
        rate_B = rate_B / (1 + self.least_width * rate_B)
        return Mixture(
            log_weight_BC=self.log_weights(weight_BC),
            rate_B=rate_B,
            mean_BK=functional.softplus(mean_BK) + self.least_mean(1 / rate_B.unsqueeze(1)),
            spread_BK=functional.softplus(spread_BK) + self.least_width,
            zero_logit_B=zero_BA[:, 0] if atom else None,
        )

    def loss(self, out_BO: Tensor, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return -log p(y) + |E - y| + the head's penalty of every row, [B]."""
        mixture, y_B = self.mixture(out_BO), watch_B / self.scale
        error_B = (mixture.clipped_mean(self.longest(duration_B) / self.scale) - y_B).abs()
        return float(self.config.mean_weight) * error_B - mixture.log_density(y_B) + self.penalty(mixture)

    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the mean in seconds, [B]."""
        return self.decode_mean(out_BO, duration_B)

    def decode_mean(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return E[watch | x] in seconds, [B]."""
        mean_B = self.mixture(out_BO).clipped_mean(self.longest(duration_B) / self.scale) * self.scale
        return torch.minimum(mean_B, self.longest(duration_B))

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the median of watch given x in seconds, [B]."""
        median_B = self.mixture(out_BO).clipped_median(self.longest(duration_B) / self.scale) * self.scale
        return torch.minimum(median_B, self.longest(duration_B))


class EgmnConfig(ExponentialGaussianConfig):
    """EGMN: softmax weights and an entropy bonus."""

    kind: Literal["egmn"] = "egmn"
    components: Copies = 10
    """K, Gaussians; 8 to 12 are usual."""
    entropy_weight: WeightOrNone = 0.1
    """Weight of the entropy of the mixture weights, which is to be large."""


class Egmn(ExponentialGaussian):
    """EGMN (arXiv 2508.12665): softmax over all components, Gaussians to the right of the exponential's mean."""

    Config = EgmnConfig

    @staticmethod
    def start_weights(components: int) -> NDArray[np.float64]:
        """Return zeros, [C]."""
        return np.zeros(components + 1)

    @staticmethod
    def least_mean(exponential_mean: Any) -> Any:
        """Return the exponential's mean."""
        return exponential_mean

    def log_weights(self, out_BC: Tensor) -> Tensor:
        """Return the log-softmax, [B, C]."""
        return functional.log_softmax(out_BC, dim=1)

    def penalty(self, mixture: Mixture) -> Tensor:
        """Return minus the weighted entropy of the weights, [B]."""
        return float(self.config.entropy_weight) * (mixture.weights * mixture.log_weight_BC).sum(dim=1)


class HegmConfig(ExponentialGaussianConfig):
    """HEGM: a gate decides between skip and watch."""

    kind: Literal["hegm"] = "hegm"
    components: Copies = 6
    """K, Gaussians; 3 to 12 are usual."""


class Hegm(ExponentialGaussian):
    """HEGM (arXiv 2608.23356): p_skip is a gate of its own and the Gaussians share the rest.

    The variance penalty of the paper (duration buckets) is not in its public code and not here.
    """

    Config = HegmConfig

    @staticmethod
    def start_weights(components: int) -> NDArray[np.float64]:
        """Return the gate's logit of 1 / C, then zeros, [C]."""
        return np.append(-np.log(components), np.zeros(components))

    @staticmethod
    def least_mean(exponential_mean: Any) -> Any:
        """Return 0."""
        return 0.0

    def log_weights(self, out_BC: Tensor) -> Tensor:
        """Return log [p_skip, (1 - p_skip) softmax(o)], [B, C]."""
        gate_B1, out_BK = out_BC[:, :1], out_BC[:, 1:]
        watched_BK = functional.logsigmoid(-gate_B1) + functional.log_softmax(out_BK, dim=1)
        return torch.cat([functional.logsigmoid(gate_B1), watched_BK], dim=1)

    def penalty(self, mixture: Mixture) -> Tensor:
        """Return 0, [B]."""
        return torch.zeros_like(mixture.rate_B)


def _least_width(scale_s: float, least_width: float) -> float:
    return max(least_width, LEAST_WIDTH_S / scale_s)


def _inverse_softplus(x: Any) -> Any:
    """Return o with softplus(o) = x > 0, without overflow."""
    return x + np.log(-np.expm1(-x))


def _normal_density(z: Tensor) -> Tensor:
    return torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
