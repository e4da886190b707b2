"""DADF's second stage as a module of tensors: what serves, and what travels with an exported program.

Shape legend: B rows, F inputs, K duration buckets. All floats are double.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.correction.dadf_network import OFFSET_S, DadfNetwork, logit_forms

_LEAST_CHANCE = 1e-4
"""A probability nearer to 0 or 1 than this counts as this, where its logit is read."""


class DadfInputs(nn.Module):
    """What the network reads of a row, before it is standardised: eleven forms of the seconds, and a logit per task.

    Args:
        state: with `cuts_s`, `play_s` and `level`, see `Dadf.fit`.
    """

    def __init__(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        super().__init__()
        for name in ("cuts_s", "play_s", "level"):
            self.register_buffer(name, torch.from_numpy(np.asarray(state[name], dtype=np.float64)))

    def bucket(self, duration_B: Tensor) -> Tensor:
        """Return the duration bucket, int64 [B]; a duration on an edge belongs to the one above it."""
        return torch.bucketize(duration_B, self.get_buffer("cuts_s"), right=True)

    def forward(self, base_B: Tensor, duration_B: Tensor, chances: Mapping[str, Tensor]) -> Tensor:
        """Return inputs, [B, F].

        Args:
            base_B: seconds of the frozen model.
            duration_B: seconds.
            chances: task -> the probability that it predicts, [B].
        """
        expected_B = self.get_buffer("play_s")[self.bucket(duration_B)]
        level_B = torch.log(base_B + OFFSET_S)
        shares = [level_B - torch.log(seconds_B + OFFSET_S) for seconds_B in (duration_B, expected_B)]
        logits = [chance_B.logit(eps=_LEAST_CHANCE) for _, chance_B in sorted(chances.items())]
        forms_BF = logit_forms(level_B - self.get_buffer("level"))
        return torch.cat([forms_BF, torch.stack([level_B, *shares, *logits], dim=1)], dim=1)


class DadfProgram(nn.Module):
    """Corrected seconds.

    Args:
        inputs: what the network reads.
        network: fitted.
        mean: of every input, [F].
        scale: of every input, [F].
    """

    def __init__(
        self, inputs: DadfInputs, network: DadfNetwork, mean: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> None:
        super().__init__()
        self.inputs, self.network = inputs, network
        self.register_buffer("mean_F", torch.from_numpy(mean))
        self.register_buffer("scale_F", torch.from_numpy(scale))

    def standardised(self, base_B: Tensor, duration_B: Tensor, chances: Mapping[str, Tensor]) -> Tensor:
        """Return what the network reads, [B, F]; arguments as of `DadfInputs`."""
        input_BF: Tensor = self.inputs(base_B, duration_B, chances)
        return (input_BF - self.get_buffer("mean_F")) / self.get_buffer("scale_F")

    def factor(self, base_B: Tensor, duration_B: Tensor, chances: Mapping[str, Tensor]) -> Tensor:
        """Return b, in [.1, 10], [B]; arguments as of `DadfInputs`."""
        said = self.network(self.standardised(base_B, duration_B, chances), self.inputs.bucket(duration_B))
        factor_B: Tensor = said.factor_B
        return factor_B

    def forward(self, base_B: Tensor, duration_B: Tensor, chances: Mapping[str, Tensor]) -> Tensor:
        """Return corrected seconds, not negative, [B]; arguments as of `DadfInputs`."""
        return ((base_B + OFFSET_S) * self.factor(base_B, duration_B, chances) - OFFSET_S).clamp(min=0)
