"""Correlated latent exogenous variables: the exact likelihood of who was exposed and what they then did.

Shape legend: B rows, P rows observed under the policy, R rows exposed at random.
"""

import math
from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from models.component import ComponentConfig
from models.heads import HEADS
from models.heads.base import Head
from models.latent import likelihood, watch_time
from models.latent.bivariate_normal import RHO_BOUND, log_phi2, normal_cdf
from models.latent.correlation import RATE, Correlation
from models.latent.ghk import log_phi2_ghk
from models.latent.likelihood import LogCdf
from models.latent.watch_time import Watched
from models.objectives.base import AuxiliaryTower, Objective, TaskRows
from models.propensity.base import PropensityOptions
from models.ranges import Number, Share, Whole
from models.schema import InputSchema

EXPOSURE = "exposure"
SKIP_SECONDS = 3.0
"""A play that ends sooner may be a skip on sight."""


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
    rho_rate: Number = Field(default=RATE, ge=1, le=1000)
    """Learning rate of the correlation over that of the weights; 1: the same."""
    complete_plays: Literal["censored", "exact"] = "censored"
    """Of a play that reached the end of the video, where labels are truncated there: all that is known is that the
    interest lasted at least so long; or the duration is taken as where it ended."""
    skip_share: Share | None = Field(default=0.1, gt=0, lt=1)
    """Share of plays, at the start, that end within 3 s whatever the video, at a uniform second; it is learned. null:
    every short play is preference."""


class LatentExogenous(Objective):
    """The negative log-likelihood of all rows, observed or not, per row of D; optionally mixed with the plain loss.

    Exposure o = 1{a + U_O > 0} with the index a of an auxiliary tower; feedback r = 1{b + U_R > 0}, or for watch time
    y = b + sigma U_R on the scale of the head, with the task's raw output b. The noises are standard normal with
    correlation rho, so a probability is a normal CDF, not a sigmoid. A watch time of 0 says that y is at most its label, a
    complete play that y is at least the duration's; a play shorter than 3 s may be a skip on sight that says nothing of y.
    A pair that was not shown was refused only where it was a candidate (`selection.shown_per_candidate`).

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
        self.correlation = Correlation(config.rho, config.rho_bound, rate=config.rho_rate).float()
        self.log_sigma = nn.Parameter(torch.zeros(()))
        share = config.skip_share
        self.skip_logit = None if share is None else nn.Parameter(torch.tensor(math.log(share / (1 - share))))
        self.log_cdf: LogCdf = log_phi2 if config.estimator == "exact" else partial(log_phi2_ghk, draws=config.draws)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def bind(self, schema: InputSchema, num_statistics: int, num_outputs: int) -> None:
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
        self.correlation = Correlation(None, self.config.rho_bound, levels[name], self.config.rho_rate).float()

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
        a_B = rows.auxiliary[EXPOSURE]
        observed_B = rows.observed_B > 0
        random_B = observed_B & (rows.random_B | observed_B.all())
        exposed_B = observed_B & ~random_B
        rho = self._rho(rows)
        rho_P = rho if rho.ndim == 0 else rho[exposed_B]
        total_B = torch.where(observed_B, 0.0, likelihood.unobserved(a_B, rows.candidate_probability_B))
        if rows.binary:
            b_B, label_B = rows.out_BO[:, 0], rows.label_B
            at_random_R = likelihood.binary_outcome(b_B[random_B], label_B[random_B])
            chosen_P = likelihood.binary(a_B[exposed_B], b_B[exposed_B], label_B[exposed_B], rho_P, self.log_cdf)
        else:
            b_B, watched = rows.out_BO[:, 0], self.watched(rows)
            at_random_R = self._watch_time(a_B[random_B], b_B[random_B], watched.at(random_B), None)
            chosen_P = self._watch_time(a_B[exposed_B], b_B[exposed_B], watched.at(exposed_B), rho_P)
        return total_B.masked_scatter(random_B, at_random_R).masked_scatter(exposed_B, chosen_P)

    def watched(self, rows: TaskRows) -> Watched:
        """Return the rows of watch time as the likelihood reads them.

        Raises:
            ValueError: for a head without a latent label.
        """
        y_B = _latent_label(rows)
        assert rows.latent_for is not None and rows.duration_B is not None
        end_B = rows.latent_for(rows.duration_B)
        assert end_B is not None
        zero_B = rows.label_B <= 0
        complete_B = torch.zeros_like(zero_B)
        if rows.complete_B is not None and self.config.complete_plays == "censored":
            complete_B = rows.complete_B & ~zero_B
        return Watched(y_B, end_B, zero_B, complete_B, _log_skip(rows, complete_B))

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
        skips = {} if self.skip_logit is None else {"skip_share": float(torch.sigmoid(self.skip_logit.detach()))}
        return {"rho": float(rho.mean()), "sigma": float(self.log_sigma.detach().exp()), **skips, **by_level}

    def _rho(self, rows: TaskRows) -> Tensor:
        """Return the correlation, [] or one per row, [B]; 0 during the warm start."""
        rho = torch.where(self.steps < self.config.warm_start_steps, 0.0, self.correlation())
        if rho.ndim == 0:
            return rho
        assert self.config.rho_by is not None and rows.level_of is not None
        return rho[rows.level_of(self.config.rho_by)]

    def _watch_time(self, a_P: Tensor, b_P: Tensor, watched: Watched, rho: Tensor | None) -> Tensor:
        return watch_time.log_likelihood(a_P, b_P, watched, rho, self.log_sigma, self.skip_logit, self.log_cdf)

    def _plain_loss(self, rows: TaskRows) -> Tensor:
        """Return the loss of every row under the model's own link: cross-entropy of Phi(b), or the head's loss."""
        if not rows.binary:
            return rows.loss_B
        return -likelihood.binary_outcome(rows.out_BO[:, 0], rows.label_B).to(rows.out_BO.dtype)


def _log_skip(rows: TaskRows, complete_B: Tensor) -> Tensor:
    """Return `Watched.log_skip_P` of every row: 1/3 per second, carried to the scale of the label by its slope."""
    assert rows.latent_for is not None and rows.duration_B is not None
    with torch.enable_grad():
        watch_B = rows.label_B.detach().double().requires_grad_()
        (slope_B,) = torch.autograd.grad(rows.latent_for(watch_B).sum(), watch_B)  # type: ignore[union-attr]
    within_B = (watch_B.detach() > 0) & (watch_B.detach() < SKIP_SECONDS)
    log_B = torch.where(within_B, -math.log(SKIP_SECONDS) - torch.log(slope_B), -math.inf)
    beyond_B = 1 - rows.duration_B.double() / SKIP_SECONDS
    return torch.where(complete_B, torch.log(beyond_B.clamp(min=0)), log_B)


def _latent_label(rows: TaskRows) -> Tensor:
    """Return the label on the scale of the index, [B]."""
    if rows.latent_label_B is None:
        usable = [kind for kind, head in HEADS.items() if head.latent_label is not Head.latent_label]
        raise ValueError(
            "objective 'latent_exogenous' models watch time as a latent index plus noise, and the recipe's head has no "
            f"such scale: choose one of {usable}"
        )
    return rows.latent_label_B
