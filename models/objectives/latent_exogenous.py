"""Correlated latent exogenous variables: the exact likelihood of who was exposed and what they then did.

Shape legend: B rows, P rows observed under the policy, R rows exposed at random.
"""

from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from models.component import ComponentConfig
from models.heads import HEADS
from models.heads.base import Head
from models.latent import likelihood
from models.latent.bivariate_normal import RHO_BOUND, log_phi2, normal_cdf
from models.latent.correlation import Correlation
from models.latent.ghk import log_phi2_ghk
from models.latent.likelihood import LogCdf
from models.objectives.base import AuxiliaryTower, Objective, TaskRows
from models.propensity.base import PropensityOptions
from models.ranges import Number, Share, Whole
from models.schema import InputSchema

EXPOSURE = "exposure"


class LatentExogenousConfig(ComponentConfig):
    """How the correlation is learned and how the likelihood is computed."""

    kind: Literal["latent_exogenous"] = "latent_exogenous"
    rho: Number | None = Field(default=None, ge=-RHO_BOUND, le=RHO_BOUND)
    """Correlation of the noise in exposure and in feedback, held fixed; null learns one per task. Learn it only where
    random rows or a field set apart identify it; elsewhere it runs away, and is a parameter for sensitivity analysis."""
    rho_by: str | None = None
    """Categorical field whose levels each learn a correlation of their own (a scene, a duration bucket); null: one for all."""
    rho_bound: Number = Field(default=RHO_BOUND, gt=0, le=RHO_BOUND)
    """Largest |rho| that can be learned."""
    alpha: Share = 1.0
    """Weight of the likelihood; the rest goes to the plain loss of the observed rows, as in the published method."""
    estimator: Literal["exact", "ghk"] = "exact"
    """Quadrature, or simulation by the GHK sampler."""
    draws: Whole = Field(default=50, ge=2, multiple_of=2, le=10_000)
    """Draws per row of `ghk`, fresh in every batch."""
    warm_start_steps: Whole = Field(default=0, ge=0, le=10**6)
    """Training steps at the start with rho = 0, in which both indices find their place separately."""


class LatentExogenous(Objective):
    """The negative log-likelihood of all rows, observed or not, per row of D; optionally mixed with the plain loss.

    Exposure o = 1{a + U_O > 0} with the index a of an auxiliary tower; feedback r = 1{b + U_R > 0}, or for watch time
    y = b + sigma U_R on the scale of the head, with the task's raw output b. The noises are standard normal with
    correlation rho, so a probability is a normal CDF, not a sigmoid. A watch time of 0 says that y is at most its label.

    Source: the model of KDD 2025 (arXiv 2506.07517) with the likelihood of docs/methods/debias.md#exact-likelihood and
    the batches of docs/methods/debias.md#unbiased-batches: one step for everything, no simulation, no alternation. Rows
    exposed at random contribute their feedback alone; so do all rows of a batch without unobserved ones, as of the
    click itself where D is the impressions.
    """

    Config = LatentExogenousConfig
    may_be_negative = True
    auxiliary_towers = (AuxiliaryTower(EXPOSURE, reads="second"),)
    needs_unobserved = True
    steps: Tensor

    def __init__(self, config: LatentExogenousConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.config = config
        # Single precision, as every parameter of a ranker; the likelihood computes in double.
        self.correlation = Correlation(config.rho, config.rho_bound).float()
        self.log_sigma = nn.Parameter(torch.zeros(()))
        self.log_cdf: LogCdf = log_phi2 if config.estimator == "exact" else partial(log_phi2_ghk, draws=config.draws)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def bind(self, schema: InputSchema, num_statistics: int) -> None:
        """Make room for one correlation per level, where asked for.

        Raises:
            ValueError: if the input has no such field.
        """
        name = self.config.rho_by
        if name is None or self.config.rho is not None:
            return
        levels = dict(schema.fields)
        if name not in levels:
            raise ValueError(f"objective.rho_by {name!r} is no categorical field of the table; it has {sorted(levels)}")
        self.correlation = Correlation(None, self.config.rho_bound, levels[name]).float()

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss.

        Raises:
            ValueError: for watch time under a head without a latent label.
        """
        nll = -rows.mean(self.log_likelihood(rows)).to(rows.out_BO.dtype)
        if self.training:
            self.steps += 1
        alpha = self.config.alpha
        return nll if alpha == 1 else alpha * nll + (1 - alpha) * rows.observed_mean(self._plain_loss(rows))

    def log_likelihood(self, rows: TaskRows) -> Tensor:
        """Return the log-likelihood of every row, float64 [B]."""
        a_B, b_B, y_B = rows.auxiliary[EXPOSURE], rows.out_BO[:, 0], _latent_label(rows)
        observed_B = rows.observed_B > 0
        random_B = observed_B & (rows.random_B | observed_B.all())
        exposed_B = observed_B & ~random_B
        rho = self._rho(rows)
        rho_P = rho if rho.ndim == 0 else rho[exposed_B]
        total_B = torch.where(observed_B, 0.0, likelihood.unobserved(a_B))
        at_random_R = self._outcome(b_B[random_B], y_B[random_B], rows.label_B[random_B], rows.binary)
        chosen_P = self._joint(
            a_B[exposed_B], b_B[exposed_B], y_B[exposed_B], rows.label_B[exposed_B], rho_P, rows.binary
        )
        return total_B.masked_scatter(random_B, at_random_R).masked_scatter(exposed_B, chosen_P)

    def probability(self, logit_B: Tensor) -> Tensor:
        """Return Phi(b), the probability if everybody were exposed."""
        return normal_cdf(logit_B.float())

    def diagnostics(self) -> dict[str, float]:
        """Return the correlation (their mean, then each, where levels have their own), and a watch time's noise.

        The noise is its standard deviation on the head's scale.
        """
        rho = self.correlation().detach()
        by_level = (
            {f"rho of {self.config.rho_by} {level}": value for level, value in enumerate(rho.tolist())}
            if rho.ndim
            else {}
        )
        return {"rho": float(rho.mean()), "sigma": float(self.log_sigma.detach().exp()), **by_level}

    def _rho(self, rows: TaskRows) -> Tensor:
        """Return the correlation, [] or one per row, [B]; 0 during the warm start."""
        rho = torch.where(self.steps < self.config.warm_start_steps, 0.0, self.correlation())
        if rho.ndim == 0:
            return rho
        assert self.config.rho_by is not None and rows.level_of is not None
        return rho[rows.level_of(self.config.rho_by)]

    def _joint(self, a_P: Tensor, b_P: Tensor, y_P: Tensor, label_P: Tensor, rho: Tensor, binary: bool) -> Tensor:
        log_cdf = self.log_cdf
        if binary:
            return likelihood.binary(a_P, b_P, y_P, rho, log_cdf)
        seen_P = likelihood.continuous(a_P, b_P, y_P, rho, self.log_sigma)
        zero_P = label_P <= 0
        rho = rho if rho.ndim == 0 else rho[zero_P]
        censored = likelihood.left_censored(a_P[zero_P], b_P[zero_P], y_P[zero_P], rho, self.log_sigma, log_cdf)
        return seen_P.masked_scatter(zero_P, censored)

    def _outcome(self, b_R: Tensor, y_R: Tensor, label_R: Tensor, binary: bool) -> Tensor:
        if binary:
            return likelihood.binary_outcome(b_R, y_R)
        seen_R = likelihood.continuous_outcome(b_R, y_R, self.log_sigma)
        return torch.where(label_R <= 0, likelihood.left_censored_outcome(b_R, y_R, self.log_sigma), seen_R)

    def _plain_loss(self, rows: TaskRows) -> Tensor:
        """Return the loss of every row under the model's own link: cross-entropy of Phi(b), or the head's loss."""
        if not rows.binary:
            return rows.loss_B
        return -likelihood.binary_outcome(rows.out_BO[:, 0], rows.label_B).to(rows.out_BO.dtype)


def _latent_label(rows: TaskRows) -> Tensor:
    """Return the label on the scale of the index, [B]."""
    if rows.latent_label_B is None:
        usable = [kind for kind, head in HEADS.items() if head.latent_label is not Head.latent_label]
        raise ValueError(
            "objective 'latent_exogenous' models watch time as a latent index plus noise, and the recipe's head has no "
            f"such scale: choose one of {usable}"
        )
    return rows.latent_label_B
