"""Two indices and correlated noise, fitted to a whole data set at once: a bivariate probit, or Heckman's model.

Shape legend: N rows.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.latent import likelihood, watch_time
from models.latent.correlation import Correlation
from models.latent.indices import Indices
from models.latent.watch_time import Watched


@dataclass(frozen=True)
class SelectionRows:
    """What was seen of every row.

    Attributes:
        observed_N: bool.
        label_N: 0/1, or the continuous label; meaningless where unobserved.
        continuous: which of the two.
        random_N: bool, True where the row was exposed at random; None: nowhere.
        censored_N: bool, True where a continuous label is only known to be at most `label_N`; None: nowhere.
        watched_N: what continuous labels say where they are watch times, in place of `label_N` and `censored_N`.
        candidate_N: probability that an unobserved row was a candidate at all; None: 1.
        stands_for: rows of the population that every unobserved row stands for, where those are a sample.

    Raises:
        ValueError: if a row exposed at random was not observed.
    """

    observed_N: Tensor
    label_N: Tensor
    continuous: bool
    random_N: Tensor | None = None
    censored_N: Tensor | None = None
    watched_N: Watched | None = None
    candidate_N: Tensor | None = None
    stands_for: float = 1.0

    def __post_init__(self) -> None:
        if self.random_N is not None and bool((self.random_N & ~self.observed_N).any()):
            raise ValueError("a row exposed at random is observed by definition, but random_N has rows that are not")

    def __len__(self) -> int:
        return len(self.observed_N)

    @property
    def population(self) -> float:
        """How many rows all of them stand for."""
        unobserved = int((~self.observed_N).sum())
        return len(self) - unobserved + self.stands_for * unobserved

    @property
    def random(self) -> Tensor:
        """Rows exposed at random, bool [N]."""
        return torch.zeros_like(self.observed_N) if self.random_N is None else self.random_N

    @property
    def censored(self) -> Tensor:
        """Rows with an upper bound for a label, bool [N]."""
        return torch.zeros_like(self.observed_N) if self.censored_N is None else self.censored_N


class SelectionModel(nn.Module):
    """The likelihood of docs/methods/debias.md#exact-likelihood over a whole data set.

    Args:
        indices: a and b of every row.
        rho: fixed correlation; None: learned.
        skip_share: share of skips on sight among watch times, at the start; None: there are none.
    """

    def __init__(self, indices: Indices, rho: float | None = None, skip_share: float | None = None) -> None:
        super().__init__()
        self.indices = indices
        self.correlation = Correlation(rho)
        self.log_sigma = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.skip_logit = None if skip_share is None else nn.Parameter(torch.tensor(skip_share).double().logit())

    def forward(self, rows: SelectionRows) -> Tensor:
        """Return the negative log-likelihood per row of the population, float64 []."""
        a_N, b_N = self.indices()
        return -self._log_likelihood(a_N, b_N, rows) / rows.population

    def _log_likelihood(self, a_N: Tensor, b_N: Tensor, rows: SelectionRows) -> Tensor:
        rho, log_sigma, label_N = self.correlation(), self.log_sigma, rows.label_N
        chosen_N, random_N = rows.observed_N & ~rows.random, rows.random
        refused_N = ~rows.observed_N
        candidate_N = None if rows.candidate_N is None else rows.candidate_N[refused_N]
        total = rows.stands_for * likelihood.unobserved(a_N[refused_N], candidate_N).sum()
        if not rows.continuous:
            total = total + likelihood.binary(a_N[chosen_N], b_N[chosen_N], label_N[chosen_N], rho).sum()
            return total + likelihood.binary_outcome(b_N[random_N], label_N[random_N]).sum()
        if rows.watched_N is not None:
            for here_N, rho_here in ((chosen_N, rho), (random_N, None)):
                watched = rows.watched_N.at(here_N)
                total = (
                    total
                    + watch_time.log_likelihood(
                        a_N[here_N], b_N[here_N], watched, rho_here, log_sigma, self.skip_logit
                    ).sum()
                )
            return total
        for kind_N, exposed, at_random in (
            (~rows.censored, likelihood.continuous, likelihood.continuous_outcome),
            (rows.censored, likelihood.left_censored, likelihood.left_censored_outcome),
        ):
            here_N, there_N = chosen_N & kind_N, random_N & kind_N
            total = total + exposed(a_N[here_N], b_N[here_N], label_N[here_N], rho, log_sigma).sum()
            total = total + at_random(b_N[there_N], label_N[there_N], log_sigma).sum()
        return total

    @property
    def rho(self) -> float:
        """The correlation."""
        return float(self.correlation().detach())

    @property
    def sigma(self) -> float:
        """Standard deviation of a continuous label's noise."""
        return math.exp(float(self.log_sigma.detach()))


def fit_full_batch(model: nn.Module, rows: object, max_steps: int = 300) -> float:
    """Minimise `model(rows)` by L-BFGS with a strong Wolfe search; for small or linear models.

    Stops on the gradient, not on the loss: the likelihood is flat in rho.

    Returns:
        The loss at the end.
    """
    optimizer = torch.optim.LBFGS(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        max_iter=max_steps,
        history_size=20,
        tolerance_grad=1e-7,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        optimizer.zero_grad()
        loss: Tensor = model(rows)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return float(model(rows))
