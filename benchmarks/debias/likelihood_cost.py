"""What one epoch of the likelihood costs, exactly and by simulation, at the size of Coat.

Source: docs/methods/debias.md#published-procedure.

Shape legend: B rows, M draws.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.debias.monte_carlo_likelihood import monte_carlo_log_likelihood, monte_carlo_probability
from models.latent import likelihood
from models.latent.bivariate_normal import log_phi2
from models.latent.correlation import Correlation
from models.latent.ghk import log_phi2_ghk
from models.latent.likelihood import LogCdf

USERS, ITEMS, OBSERVED = 290, 300, 6_960
WIDTH, BATCH, RATIO = 16, 64, 3
STEPS = OBSERVED // BATCH
LARGE_BATCH = 16 * BATCH
"""A batch that serves as well: the mini-batch form estimates the whole likelihood without bias at every size."""


class Ncf(nn.Module):
    """The published network: user and item embeddings, concatenated, and three linear layers; gives one index."""

    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(USERS, WIDTH), nn.Embedding(ITEMS, WIDTH)
        self.layers = nn.Sequential(
            nn.Linear(2 * WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1)
        )

    def forward(self, pair_B: Tensor) -> Tensor:
        """Return the index of pairs, coded user * ITEMS + item, [B]."""
        vectors_BE = torch.cat([self.user(pair_B // ITEMS), self.item(pair_B % ITEMS)], dim=1)
        index_B: Tensor = self.layers(vectors_BE)[:, 0]
        return index_B


@dataclass
class FitProblem:
    """Random pairs of that size, two networks, one correlation and one optimiser."""

    observed_P: Tensor
    unobserved_P: Tensor
    label_P: Tensor
    exposure: Ncf
    outcome: Ncf
    correlation: Correlation
    optimizer: torch.optim.Optimizer

    @classmethod
    def draw(cls, seed: int) -> "FitProblem":
        """Return the problem of a seed; labels are coin flips, since only time is measured."""
        torch.manual_seed(seed)
        order = torch.randperm(USERS * ITEMS)
        exposure, outcome, correlation = Ncf(), Ncf(), Correlation().float()
        parameters = [*exposure.parameters(), *outcome.parameters(), *correlation.parameters()]
        return cls(
            order[:OBSERVED],
            order[OBSERVED:],
            torch.randint(2, (OBSERVED,)).float(),
            exposure,
            outcome,
            correlation,
            torch.optim.Adam(parameters, lr=1e-3),
        )

    def step(self, loss: Tensor) -> None:
        """Update what the loss reaches."""
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()


def joint_epoch(problem: FitProblem, log_cdf: LogCdf, batch: int = BATCH) -> None:
    """One epoch of the exact objective: one step for both networks on a batch of observed and 3 of unobserved pairs."""
    share = OBSERVED / (USERS * ITEMS)
    for at_B in torch.split(torch.randperm(OBSERVED)[: STEPS * BATCH], batch):
        seen_B = problem.observed_P[at_B]
        unseen_B = problem.unobserved_P[torch.randint(len(problem.unobserved_P), (RATIO * len(at_B),))]
        a_B, b_B = problem.exposure(torch.cat([seen_B, unseen_B])), problem.outcome(seen_B)
        seen = likelihood.binary(a_B[: len(at_B)], b_B, problem.label_P[at_B], problem.correlation(), log_cdf)
        problem.step(-share * seen.mean() - (1 - share) * likelihood.unobserved(a_B[len(at_B) :]).mean())


def monte_carlo_epoch(problem: FitProblem, noise: Tensor) -> None:
    """One epoch of the published procedure: the outcome network on 64 observed pairs, then the exposure network on 192.

    Args:
        noise: draws for every pair, [pairs, M], made once per fit; or one row, [1, M], shared by all, where all pairs'
            would not fit in memory. The latter saves time, which favours the procedure.
    """

    def draws(pair_B: Tensor) -> Tensor:
        return noise.expand(len(pair_B), -1) if len(noise) == 1 else noise[pair_B]

    is_observed = torch.zeros(USERS * ITEMS, dtype=torch.bool).index_fill_(0, problem.observed_P, True)
    label_of = torch.zeros(USERS * ITEMS).index_copy_(0, problem.observed_P, problem.label_P)
    for at_B in torch.split(torch.randperm(OBSERVED)[: STEPS * BATCH], BATCH):
        seen_B, label_B = problem.observed_P[at_B], problem.label_P[at_B]
        a_B = problem.exposure(seen_B).detach()
        terms_B = monte_carlo_log_likelihood(
            a_B, problem.outcome(seen_B), True, label_B, problem.correlation(), draws(seen_B)
        )
        problem.step(-terms_B.mean())
        pair_B = torch.randint(USERS * ITEMS, (RATIO * BATCH,))
        a_B, b_B = problem.exposure(pair_B), problem.outcome(pair_B).detach()
        seen_B = monte_carlo_log_likelihood(b_B, a_B, False, label_of[pair_B], problem.correlation(), draws(pair_B))
        problem.step(-torch.where(is_observed[pair_B], seen_B, torch.special.log_ndtr(-a_B)).sum())


def seconds(run: Callable[[], None], repeats: int) -> list[float]:
    """Return the processor time of each of several runs, after one that is not counted."""
    run()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return found


def relative_sd(estimate: Callable[[Tensor, Tensor, Tensor], Tensor], draws: int = 200) -> float:
    """Return the median over pairs of sd / mean of an estimator of P(o = 1, r = 1), at indices like those fitted on Coat.

    The exposure index is N(-1.4, .3^2), so that 8 % are exposed; the outcome index is N(0, .7^2); rho = .3.
    """
    generator = torch.Generator().manual_seed(0)
    a_B, b_B = torch.randn(2, 200, generator=generator, dtype=torch.float64)
    a_B, b_B, rho = 0.3 * a_B - 1.4, 0.7 * b_B, torch.tensor(0.3, dtype=torch.float64)
    exact_B = torch.exp(log_phi2(a_B, b_B, rho))
    torch.manual_seed(0)
    found = torch.stack([estimate(a_B, b_B, rho) for _ in range(draws)])
    return float((((found - exact_B) ** 2).mean(0).sqrt() / exact_B).median())


def monte_carlo_estimate(num_draws: int) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return the Monte Carlo estimator with fresh draws."""
    return lambda a_B, b_B, rho: monte_carlo_probability(
        a_B, b_B, rho, torch.randn(len(a_B), num_draws, dtype=torch.float64)
    )


def ghk_estimate(num_draws: int) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return the GHK estimator with fresh draws."""
    return lambda a_B, b_B, rho: torch.exp(log_phi2_ghk(a_B, b_B, rho, num_draws))
