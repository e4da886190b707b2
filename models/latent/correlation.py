"""The correlation of the two noises as a parameter that cannot leave its range and is stepped faster than weights."""

import torch
from torch import Tensor, nn

from models.latent.bivariate_normal import RHO_BOUND
from models.step_rate import SteppedFaster

RATE = 30.0
"""Learning rate of kappa over that of weights: it has some hundred steps to travel as far as 1."""


class Correlation(SteppedFaster):
    """rho = bound * tanh(kappa), kappa = 0 at the start; or a fixed number (docs/methods/debias.md#joint-fit).

    Weight decay on kappa pulls rho to 0: keep it out.

    Args:
        fixed: rho, not learned; None: learned.
        bound: largest |rho| that can be learned.
        levels: how many correlations there are; None: one, without a dimension.
        rate: learning rate of kappa over that of weights, in a fit by mini-batches.

    Raises:
        ValueError: if `fixed` is beyond .99 in absolute value.
    """

    fixed: Tensor

    def __init__(
        self, fixed: float | None = None, bound: float = RHO_BOUND, levels: int | None = None, rate: float = RATE
    ) -> None:
        super().__init__(rate)
        self.bound = bound
        self.kappa: nn.Parameter | None = None
        if fixed is None:
            self.kappa = nn.Parameter(torch.zeros(() if levels is None else levels, dtype=torch.float64))
            return
        if abs(fixed) > RHO_BOUND:
            raise ValueError(f"rho {fixed} is fixed outside [-{RHO_BOUND}, {RHO_BOUND}]")
        self.register_buffer("fixed", torch.tensor(fixed, dtype=torch.float64))

    def forward(self) -> Tensor:
        """Return rho, float64 [], or [levels] where there are several."""
        return self.fixed if self.kappa is None else self.bound * torch.tanh(self.kappa)
