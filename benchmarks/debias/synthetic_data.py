"""Generators of the synthetic recovery experiments (docs/methods/debias.md#synthetic-recovery). Everything is float64.

Shape legend: N pairs, X features, U users, I items, K rank.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

from benchmarks.debias.factors import Factors
from models.latent.bivariate_normal import normal_cdf
from models.latent.indices import Indices, Linear
from models.latent.selection_model import SelectionRows

NUM_PAIRS = 62_500
GRID = (250, 250)
RANK = 4
Z_WEIGHT = 0.7
WATCH_SIGMA = 0.9

Noise = Callable[[Tensor], Tensor]
"""Standard normal draws [2, N] -> the noise of exposure and of feedback, mean 0 and variance 1."""


@dataclass(frozen=True)
class World:
    """Generated pairs with their truth.

    Attributes:
        rows: what a learner sees.
        indices: makes fresh indices of the right form for these pairs.
        a_N: true exposure index.
        b_N: true outcome index.
        seen_N: label of every pair, seen or not.
    """

    rows: SelectionRows
    indices: Callable[[], Indices]
    a_N: Tensor
    b_N: Tensor
    seen_N: Tensor

    def truth(self) -> Tensor:
        """Return what is to be predicted for every pair: P(r = 1), or E[y]."""
        return self.b_N if self.rows.continuous else normal_cdf(self.b_N)

    def of(self, index_N: Tensor) -> Tensor:
        """Return the prediction that an outcome index makes."""
        return index_N if self.rows.continuous else normal_cdf(index_N)

    def exposure(self) -> Tensor:
        """Return the true propensity of every pair, under normal noise."""
        return normal_cdf(self.a_N)


def linear_world(
    seed: int,
    rho: float,
    *,
    apart: bool,
    continuous: bool,
    spread: float = 1.0,
    noise: Noise | None = None,
    bend: float = 0.0,
    num_pairs: int = NUM_PAIRS,
) -> World:
    """Return pairs whose indices are linear in eight standard normal features.

    Args:
        seed: of everything.
        rho: correlation of the noises.
        apart: whether z, which moves exposure only, exists.
        continuous: label y = b + U_R rather than 1{b + U_R > 0}.
        spread: A, the length of the exposure direction.
        noise: makes the noise from normal draws of that correlation; None leaves them.
        bend: weight of the squared exposure direction in the outcome, which no linear index can follow.
        num_pairs: N.
    """
    draw = _normal(seed)
    x_NX, z_NZ = draw(num_pairs, 8), draw(num_pairs, 1)
    alpha, beta = draw(8), draw(8)
    direction_N = x_NX @ (alpha / alpha.norm())
    a_N = spread * direction_N - 1 + (Z_WEIGHT * z_NZ[:, 0] if apart else 0)
    b_N = x_NX @ (beta / beta.norm()) + bend * (direction_N**2 - 1)
    rows, seen_N = _observe(a_N, b_N, _correlated(draw, num_pairs, rho, noise), continuous)
    return World(rows, lambda: Linear(x_NX, z_NZ if apart else None), a_N, b_N, seen_N)


def factor_world(seed: int, rho: float, *, apart: bool, random_share: float) -> World:
    """Return all pairs of 250 users and 250 items, binary, whose indices are products of four-dimensional factors.

    Our reading, for the reference does not say: a = p.q / 2 - 1 (+ .7 z) and b = p'.q' / 2 with independent standard
    normal factors, so that both products have variance 1.
    """
    draw = _normal(seed)
    num_users, num_items = GRID
    user_N = torch.arange(num_users).repeat_interleave(num_items)
    item_N = torch.arange(num_items).repeat(num_users)
    product_2UI = draw(2, num_users, RANK) @ draw(2, num_items, RANK).mT / RANK**0.5
    z_NZ = draw(len(user_N), 1)
    a_N = product_2UI[0].reshape(-1) - 1 + (Z_WEIGHT * z_NZ[:, 0] if apart else 0)
    b_N = product_2UI[1].reshape(-1)
    rows, seen_N = _observe(a_N, b_N, _correlated(draw, len(a_N), rho, None), continuous=False)
    random_N = torch.rand(len(a_N), generator=torch.Generator().manual_seed(seed)) < random_share
    rows = SelectionRows(rows.observed_N | random_N, seen_N, False, random_N)

    def indices() -> Indices:
        generator = torch.Generator().manual_seed(seed)
        return Factors(user_N, item_N, num_users, num_items, RANK, z_NZ if apart else None, generator)

    return World(rows, indices, a_N, b_N, seen_N)


def watch_time_world(seed: int, rho: float, num_pairs: int = NUM_PAIRS) -> World:
    """Return pairs with log-normal watch time, a zero mass and a duration effect, and an exposure-only feature.

    y = log(1 + seconds) = 1.2 + .5 x.beta + .5 d + .9 U_R, 0 s where that is negative (about 15 %); d, the standardised
    log duration, moves exposure too. The label of a pair with 0 s is its upper bound, 0. The first feature is d.
    """
    draw = _normal(seed)
    x_NX, z_NZ = draw(num_pairs, 8), draw(num_pairs, 1)
    alpha, beta = draw(8), draw(7)
    a_N = x_NX @ (alpha / alpha.norm()) - 1 + Z_WEIGHT * z_NZ[:, 0]
    b_N = 1.2 + 0.5 * x_NX[:, 1:] @ (beta / beta.norm()) + 0.5 * x_NX[:, 0]
    noise_2N = _correlated(draw, num_pairs, rho, None)
    y_N = (b_N + WATCH_SIGMA * noise_2N[1]).clamp(min=0)
    rows = SelectionRows(a_N + noise_2N[0] > 0, y_N, True, censored_N=y_N == 0)
    return World(rows, lambda: Linear(x_NX, z_NZ), a_N, b_N, y_N)


def student_noise(normal_2N: Tensor) -> Tensor:
    """Return noise with Student margins of 4 degrees of freedom, variance 1, and the dependence of the normal draws."""
    return torch.from_numpy(stats.t(4).ppf(stats.norm.cdf(normal_2N.numpy()))) / 2**0.5


def logistic_noise(normal_2N: Tensor) -> Tensor:
    """Return noise with logistic margins, variance 1, and the dependence of the normal draws."""
    unit = stats.logistic(scale=3**0.5 / torch.pi)
    return torch.from_numpy(unit.ppf(stats.norm.cdf(normal_2N.numpy())))


def confounded_noise(share: float, generator: torch.Generator) -> Noise:
    """Return noise in which a hidden +-1 variable has this share of both variances."""

    def noise(normal_2N: Tensor) -> Tensor:
        hidden_N = 2.0 * torch.randint(2, normal_2N.shape[1:], generator=generator) - 1
        noisy_2N: Tensor = share**0.5 * hidden_N + (1 - share) ** 0.5 * normal_2N
        return noisy_2N

    return noise


def _normal(seed: int) -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)


def _correlated(draw: Callable[..., Tensor], num_pairs: int, rho: float, noise: Noise | None) -> Tensor:
    first_N, second_N = draw(num_pairs), draw(num_pairs)
    normal_2N = torch.stack([first_N, rho * first_N + (1 - rho**2) ** 0.5 * second_N])
    return normal_2N if noise is None else noise(normal_2N)


def _observe(a_N: Tensor, b_N: Tensor, noise_2N: Tensor, continuous: bool) -> tuple[SelectionRows, Tensor]:
    """Return what is seen, and the labels of all pairs."""
    y_N = b_N + noise_2N[1]
    label_N = y_N if continuous else (y_N > 0).double()
    return SelectionRows(a_N + noise_2N[0] > 0, label_N, continuous), label_N
