"""Inverse-propensity weights: clipped, and normalised where asked. The one place that divides by a propensity.

Shape legend: B rows.
"""

import torch
from torch import Tensor, nn

from models.objectives.base import TaskRows
from models.objectives.running import add_batch
from models.propensity.base import PropensityOptions


class PropensityWeights(nn.Module):
    """1 / max(p, clip) on rows that the policy exposed, 1 on rows exposed at random, 0 on rows that were not observed.

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

    def forward(
        self, observed_B: Tensor, propensity_B: Tensor, random_B: Tensor, weight_B: Tensor | None = None
    ) -> Tensor:
        """Return the weight of every row, [B], without gradient.

        Args:
            observed_B: 1 where the label was observed.
            propensity_B: probability of that; not read, so possibly NaN, where it was not.
            random_B: rows exposed at random.
            weight_B: the share of the population that each row stands for, which the normaliser follows; None: equal.
        """
        inverse_B = torch.where(observed_B > 0, self.inverse(propensity_B.detach()), 0.0)
        if self.options.self_normalise != "off":
            counted_B = observed_B * ~random_B
            inverse_B = inverse_B / self._normaliser(inverse_B, counted_B if weight_B is None else counted_B * weight_B)
        return torch.where(random_B, observed_B, inverse_B)

    def inverse(self, propensity_B: Tensor) -> Tensor:
        """Return 1 / max(p, clip), not normalised, with gradient."""
        return 1 / propensity_B.clamp(min=self.options.clip)

    def observed_inverse(self, rows: TaskRows, propensity_B: Tensor) -> Tensor:
        """Return o / max(p, clip), not normalised, with gradient: 0 on unobserved rows, 1 on random ones."""
        inverse_B = torch.where(rows.random_B, 1.0, self.inverse(propensity_B))
        return torch.where(rows.observed_B > 0, inverse_B, 0.0)

    def estimate(self, rows: TaskRows, value_B: Tensor, propensity_B: Tensor | None = None) -> Tensor:
        """Return the estimate of the mean over D of something known on observed rows only.

        mean_D(o f / p) as it is; with self-normalisation sum_O(f / p) / sum_O(1 / p), and 0 without an observed row.

        Args:
            rows: the batch.
            value_B: f.
            propensity_B: p of an exposure model; None: the propensities given.
        """
        given_B = rows.propensity_B if propensity_B is None else propensity_B
        weight_B = self(rows.observed_B, given_B, rows.random_B, rows.weight_B)
        if self.options.self_normalise == "off":
            return rows.mean(weight_B * value_B)
        return rows.observed_mean(weight_B * value_B)

    def _normaliser(self, inverse_B: Tensor, counted_B: Tensor) -> Tensor:
        """Return the mean of 1 / p over the batch, or over all batches trained on so far; 1 for a batch without rows."""
        total = counted_B.sum()
        batch_mean = torch.where(total > 0, (inverse_B * counted_B).sum() / torch.where(total > 0, total, 1.0), 1.0)
        if self.options.self_normalise == "batch":
            return batch_mean
        if self.training:
            add_batch(self.mean, self.steps, batch_mean, total > 0)
        return self.mean.to(inverse_B.dtype)


def normalised(options: PropensityOptions, by: str) -> PropensityOptions:
    """Return the options with self-normalisation `by` ("batch" or "running") where they leave it off."""
    return options if options.self_normalise != "off" else options.model_copy(update={"self_normalise": by})


def known_everywhere(propensity_B: Tensor, objective: str) -> Tensor:
    """Return the propensities, which must be known on unobserved rows too.

    Raises:
        ValueError: if one is NaN; not on a device that would have to be waited for: there it makes the loss NaN.
    """
    if propensity_B.device.type == "cpu" and bool(propensity_B.isnan().any()):
        raise ValueError(
            f"objective {objective!r} reads the propensity of unobserved rows, and {int(propensity_B.isnan().sum())} of "
            f"{len(propensity_B)} are NaN: choose a propensity.kind that needs no label, such as 'popularity'"
        )
    return propensity_B
