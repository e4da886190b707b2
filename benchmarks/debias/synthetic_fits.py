"""How the synthetic experiments are fitted: naive, weighted by the true propensity, doubly robust, and jointly.

Shape legend: N pairs.
"""

import torch
from torch import Tensor, nn

from benchmarks.debias.factors import Factors, fit_penalised
from benchmarks.debias.synthetic_data import World
from models.latent import likelihood
from models.latent.identification import SelectionFit, fit_selection
from models.latent.indices import Indices
from models.latent.selection_model import SelectionModel, fit_full_batch

CLIP = 0.02
FACTOR_STEPS = 400


class WeightedOutcome(nn.Module):
    """The outcome index alone: weighted probit cross-entropy, or weighted squared error.

    Args:
        indices: their exposure part is ignored.
        label_N: 0/1, soft labels beyond that range too, or a continuous label.
        weight_N: weight of every pair; 0 leaves it out.
    """

    def __init__(self, indices: Indices, label_N: Tensor, weight_N: Tensor) -> None:
        super().__init__()
        self.indices, self.label_N, self.weight_N = indices, label_N, weight_N

    def forward(self, continuous: bool) -> Tensor:
        """Return the weighted mean loss."""
        b_N = self.index()
        if continuous:
            loss_N = 0.5 * (b_N - self.label_N) ** 2
        else:
            liked_N = torch.ones_like(b_N)
            loss_N = -self.label_N * likelihood.binary_outcome(b_N, liked_N)
            loss_N = loss_N - (1 - self.label_N) * likelihood.binary_outcome(b_N, 0 * liked_N)
        mean: Tensor = (self.weight_N * loss_N).mean()
        return mean

    def index(self) -> Tensor:
        """Return b, [N]."""
        b_N: Tensor = self.indices()[1]
        return b_N


def joint(world: World) -> SelectionFit:
    """Return the joint fit of a linear world; its model with rho = 0 is the naive fit."""
    return fit_selection(SelectionModel(world.indices(), 0.0), world.rows)


def naive_index(world: World) -> Tensor:
    """Return the outcome index fitted on the observed pairs alone, [N]."""
    return _fitted(world, world.seen_N, world.rows.observed_N.double())


def ips_index(world: World) -> Tensor:
    """Return the outcome index fitted on the observed pairs, weighted by the true propensity clipped at .02, [N]."""
    weight_N = world.rows.observed_N / world.exposure().clamp(min=CLIP)
    return _fitted(world, world.seen_N, weight_N)


def dr_index(world: World, imputed_N: Tensor) -> Tensor:
    """Return the outcome index fitted on all pairs with m + o (r - m) / p as label, [N].

    Both losses are linear in the label, or quadratic with a constant in it, so this minimises the doubly robust risk.
    """
    weight_N = world.rows.observed_N / world.exposure().clamp(min=CLIP)
    pseudo_N = imputed_N + weight_N * (world.seen_N - imputed_N)
    return _fitted(world, pseudo_N, torch.ones_like(imputed_N))


def outcome_of(model: SelectionModel) -> Tensor:
    """Return a fitted model's outcome index, [N]."""
    with torch.no_grad():
        b_N: Tensor = model.indices()[1]
    return b_N


def factor_model(world: World, rho: float | None) -> SelectionModel:
    """Return the penalised fit of a factor world by Adam.

    The penalty is that of the prior the factors were drawn from: -log N(0, 1) of every entry at the product's scale,
    |p|^2 / (2 sqrt(K)) for factors whose product is not divided by sqrt(K). Nothing is tuned.
    """
    indices = world.indices()
    assert isinstance(indices, Factors)
    model, rank = SelectionModel(indices, rho), indices.user_2UK.shape[-1] - 1
    fit_penalised(model, rank**0.5 / (2 * len(world.rows)), world.rows, FACTOR_STEPS)
    return model


def errors(world: World, index_N: Tensor) -> tuple[float, float]:
    """Return mean squared error and bias over all pairs."""
    gap_N = world.of(index_N) - world.truth()
    return float((gap_N**2).mean()), float(gap_N.mean())


def _fitted(world: World, label_N: Tensor, weight_N: Tensor) -> Tensor:
    model = WeightedOutcome(world.indices(), label_N, weight_N)
    fit_full_batch(model, world.rows.continuous)
    return model.index().detach()
