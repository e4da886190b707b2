"""Inverse-propensity weights: clipped, and normalised where asked. The one place that divides by a propensity.

Shape legend: B rows.
"""

import torch
from torch import Tensor, nn

from models.propensity.base import PropensityOptions


class PropensityWeights(nn.Module):
    """1 / max(p, clip) on rows that the policy exposed, 1 on rows exposed at random.

    Random rows are already a sample of all rows, so they keep weight 1, neither clipped nor counted in the normaliser.
    With self-normalisation the policy's weights have mean 1 as well, and both samples count by their size; without it
    both still estimate the same risk up to a factor, and the policy's rows have the larger one.
    """

    mean: Tensor
    steps: Tensor

    def __init__(self, options: PropensityOptions) -> None:
        super().__init__()
        self.options = options
        self.register_buffer("mean", torch.ones((), dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, observed_B: Tensor, propensity_B: Tensor, random_B: Tensor) -> Tensor:
        """Return the weight of every row, [B], without gradient."""
        inverse_B = 1 / propensity_B.detach().clamp(min=self.options.clip)
        if self.options.self_normalise != "off":
            inverse_B = inverse_B / self._normaliser(inverse_B, observed_B * ~random_B)
        return torch.where(random_B, 1.0, inverse_B)

    def _normaliser(self, inverse_B: Tensor, counted_B: Tensor) -> Tensor:
        """Return the mean of 1 / p over the batch, or over all batches trained on so far; 1 for a batch without rows."""
        rows = counted_B.sum()
        batch_mean = torch.where(rows > 0, (inverse_B * counted_B).sum() / rows.clamp(min=1), 1.0)
        if self.options.self_normalise == "batch":
            return batch_mean
        if self.training:
            self.steps += (rows > 0).long()
            step = (batch_mean - self.mean) / self.steps.clamp(min=1)
            self.mean += torch.where(rows > 0, step, 0.0)
        return self.mean.to(inverse_B.dtype)
