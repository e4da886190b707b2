"""The network of DADF's second stage, and the loss it learns from.

Shape legend: B rows, F inputs, K duration buckets, A auxiliary labels, H width, P layers side by side, I and O their inputs
and outputs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.correction.box_cox import box_cox, inverse_box_cox
from models.correction.config import DadfConfig
from models.correction.viewing_labels import NUM_LABELS
from models.mlp import mlp

OFFSET_S = 1.0
"""Added to both sides of a ratio, so that plays of 0 s have one (ours)."""
HUBER, HUBER_BEND = 0.8, 0.2
MOMENTS, VARIANCE, SKEWNESS, LEAST_IN_BUCKET = 0.05, 0.8, 0.6, 4
AUXILIARY = 0.10
LEAST_RATIO, MOST_RATIO, MOST_TRANSFORMED = 0.001, 100.0, 4.0
"""Rows outside these limits do not enter the first term."""
NUM_FORMS = 8


@dataclass(frozen=True)
class Said:
    """What the network says: transformed ratios and factors, [B], powers of the rows' buckets, [B], label logits, [B, A]."""

    transformed_B: Tensor
    factor_B: Tensor
    power_B: Tensor
    logit_BA: Tensor


class Beside(nn.Module):
    """Linear layers of one size side by side, P of them, each with weights of its own."""

    def __init__(self, layers: int, inputs: int, outputs: int, *, zero: bool = False) -> None:
        super().__init__()
        bound = 0.0 if zero else inputs**-0.5
        self.weight = nn.Parameter(torch.empty(layers, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(layers, 1, outputs).uniform_(-bound, bound))

    def forward(self, input_PBI: Tensor) -> Tensor:
        """Return [P, B, O]."""
        return torch.baddbmm(self.bias, input_PBI, self.weight)


class DadfNetwork(nn.Module):
    """Shared layers, a branch per auxiliary label, and an expert per duration bucket."""

    def __init__(self, config: DadfConfig, inputs: int, buckets: int) -> None:
        super().__init__()
        half, quarter, eighth = (config.width // part for part in (2, 4, 8))
        self.shared = mlp(inputs, (config.width, half), dropout=0.0)
        self.branches = nn.Sequential(
            Beside(NUM_LABELS, half, quarter), nn.ReLU(), Beside(NUM_LABELS, quarter, eighth), nn.ReLU()
        )
        self.labels = Beside(NUM_LABELS, eighth, 1)
        self.joined = mlp(half + NUM_LABELS * (NUM_FORMS + eighth), (half,), dropout=0.0)
        self.experts = nn.Sequential(
            Beside(buckets, half, quarter), nn.ReLU(), Beside(buckets, quarter, eighth), nn.ReLU()
        )
        self.ratios = Beside(buckets, eighth, 1, zero=True)
        self.power_K = nn.Parameter(torch.zeros(buckets))

    def forward(self, input_BF: Tensor, bucket_B: Tensor) -> Said:
        """Return what it says of rows; the factor of an untrained network is 1."""
        hidden_BH = self.shared(input_BF)
        branch_ABH = self.branches(hidden_BH.expand(NUM_LABELS, -1, -1))
        logit_AB1 = self.labels(branch_ABH)
        # labels must not be learned for what they do to seconds
        said_BAH = torch.cat([logit_forms(logit_AB1.squeeze(2)), branch_ABH], dim=2).detach().transpose(0, 1)
        joined_BH = self.joined(torch.cat([hidden_BH, said_BAH.flatten(1)], dim=1))
        every_KB1 = self.ratios(self.experts(joined_BH.expand(len(self.power_K), -1, -1)))
        transformed_B = every_KB1.squeeze(2).gather(0, bucket_B.unsqueeze(0)).squeeze(0)
        power_B = self.power_K[bucket_B]
        return Said(transformed_B, inverse_box_cox(transformed_B, power_B), power_B, logit_AB1.squeeze(2).T)


@dataclass(frozen=True)
class FitRows:
    """Rows of a fit as tensors.

    Attributes:
        input_BF: standardised inputs.
        bucket_B: int64, duration bucket.
        base_B: seconds of the frozen model.
        watch_B: seconds watched.
        label_BA: auxiliary labels, 0 and 1.
        unit: the longest play of the fit days, seconds.
    """

    input_BF: Tensor
    bucket_B: Tensor
    base_B: Tensor
    watch_B: Tensor
    label_BA: Tensor
    unit: float

    def __len__(self) -> int:
        return len(self.base_B)

    def ratio(self) -> Tensor:
        """Return what was watched over what the model said, both with the offset, [B]."""
        return (self.watch_B + OFFSET_S) / (self.base_B + OFFSET_S)

    def where(self, part: Tensor) -> "FitRows":
        """Return some of the rows, by their numbers."""
        seconds = self.base_B[part], self.watch_B[part]
        return FitRows(self.input_BF[part], self.bucket_B[part], *seconds, self.label_BA[part], self.unit)


def logit_forms(logit_B: Tensor) -> Tensor:
    """Return the eight forms in which the network reads a logit, [..., B, 8]."""
    positive_B = functional.relu(logit_B)
    forms = (
        logit_B,
        positive_B,
        torch.sigmoid(logit_B),
        (torch.tanh(logit_B) + 1) / 2,
        logit_B.square(),
        (positive_B + 1e-6).sqrt(),
        torch.log1p(positive_B),
        functional.softplus(logit_B),
    )
    return torch.stack(forms, dim=-1)


def moment_penalty(transformed_B: Tensor, bucket_B: Tensor, buckets: int) -> Tensor:
    """Return the mean over buckets of mean^2 + .8 (variance - 1)^2 + .6 |skewness| of transformed ratios, a scalar.

    A bucket of fewer than four rows, or of ratios all alike, adds nothing.
    """
    here_BK = functional.one_hot(bucket_B, buckets).to(transformed_B.dtype)
    count_K = here_BK.sum(dim=0)
    mean_K = here_BK.T @ transformed_B / count_K.clamp(min=1)
    gap_B = transformed_B - mean_K[bucket_B]
    variance_K, third_K = (here_BK.T @ gap_B.pow(power) / count_K.clamp(min=1) for power in (2, 3))
    asked_K = (count_K >= LEAST_IN_BUCKET) & (variance_K > 0)
    skewness_K = third_K / torch.where(asked_K, variance_K, 1.0).pow(1.5)
    penalty_K = mean_K.square() + VARIANCE * (variance_K - 1).square() + SKEWNESS * skewness_K.abs()
    return torch.where(asked_K, penalty_K, 0.0).sum() / buckets


def held_out_loss(said: Said, rows: FitRows) -> Tensor:
    """Return the terms of the ratio and of the seconds with logarithms of ratios, which no power can shrink, a scalar."""
    return (rows.ratio().log() - said.factor_B.log()).square().mean() + HUBER * seconds_loss(said, rows).mean()


def seconds_loss(said: Said, rows: FitRows) -> Tensor:
    """Return Huber's loss of the corrected seconds in units of the longest train play, [B]."""
    corrected_B = (rows.base_B + OFFSET_S) * said.factor_B - OFFSET_S
    return functional.huber_loss(corrected_B / rows.unit, rows.watch_B / rows.unit, reduction="none", delta=HUBER_BEND)


def dadf_loss(network: DadfNetwork, rows: FitRows) -> Tensor:
    """Return what a step lowers, a scalar: docs/methods/watch_time.md#dadf."""
    said, ratio_B = network(rows.input_BF, rows.bucket_B), rows.ratio()
    target_B = box_cox(ratio_B, said.power_B)
    inside_B = (ratio_B >= LEAST_RATIO) & (ratio_B <= MOST_RATIO) & (target_B.detach().abs() <= MOST_TRANSFORMED)
    weight_B = inside_B.double()
    count = weight_B.sum().clamp(min=1)
    squared = (weight_B * (target_B - said.transformed_B).square()).sum() / count
    seconds = (weight_B * seconds_loss(said, rows)).sum() / count
    moments = moment_penalty(target_B[inside_B], rows.bucket_B[inside_B], len(network.power_K))
    played_B = rows.watch_B > 0
    surprise_B = functional.binary_cross_entropy_with_logits(said.logit_BA, rows.label_BA, reduction="none").mean(dim=1)
    labels = (surprise_B * played_B).sum() / played_B.sum().clamp(min=1)
    total: Tensor = squared + HUBER * seconds + MOMENTS * moments + AUXILIARY * labels
    return total
