"""The likelihood of a watch time: what a zero, a complete play and a short play say of the interest behind them.

Shape legend: P observed rows, K rows of one kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from models.latent import likelihood
from models.latent.bivariate_normal import log_ndtr, log_phi2
from models.latent.likelihood import LogCdf


@dataclass(frozen=True)
class Watched:
    """Watch times as the likelihood reads them; what unobserved rows hold is meaningless.

    Attributes:
        y_P: label on the scale of the index.
        end_P: the duration on that scale.
        zero_P: bool, nothing was watched: y is only known to be at most `y_P`.
        complete_P: bool, y is only known to be at least `end_P`.
        log_skip_P: log of the density of y, or of the mass of a complete play, of a skip on sight; -inf where it was none.
    """

    y_P: Tensor
    end_P: Tensor
    zero_P: Tensor
    complete_P: Tensor
    log_skip_P: Tensor

    def at(self, chosen_P: Tensor) -> Self:
        """Return some rows."""
        return type(self)(*(getattr(self, field.name)[chosen_P] for field in fields(self)))


def joined(parts: Sequence[Watched]) -> Watched:
    """Append rows to rows."""
    return Watched(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Watched)))


def log_likelihood(
    a_P: Tensor,
    b_P: Tensor,
    watched: Watched,
    rho: Tensor | None,
    log_sigma: Tensor,
    skip_logit: Tensor | None = None,
    log_cdf: LogCdf = log_phi2,
) -> Tensor:
    """Return the log-likelihood of (o = 1, watch time), float64 [P].

    Source: docs/methods/debias.md#exact-likelihood.

    Args:
        a_P: index of exposure.
        b_P: index of feedback.
        watched: what was watched.
        rho: [] or one per row, [P]; None: rows exposed at random, whose watch time alone counts.
        log_sigma: log of the noise's standard deviation.
        skip_logit: log-odds of a skip on sight; None: there are none.
        log_cdf: of two normal variables.
    """
    if rho is None:
        total_P = likelihood.continuous_outcome(b_P, watched.y_P, log_sigma)
    else:
        total_P = likelihood.continuous(a_P, b_P, watched.y_P, rho, log_sigma)
    for kind_P, cut_P, joint, alone in (
        (watched.zero_P, watched.y_P, likelihood.left_censored, likelihood.left_censored_outcome),
        (watched.complete_P, watched.end_P, likelihood.right_censored, likelihood.right_censored_outcome),
    ):
        b_K, cut_K = b_P[kind_P], cut_P[kind_P]
        if rho is None:
            part_K = alone(b_K, cut_K, log_sigma)
        else:
            rho_K = rho if rho.ndim == 0 else rho[kind_P]
            part_K = joint(a_P[kind_P], b_K, cut_K, rho_K, log_sigma, log_cdf)
        total_P = total_P.masked_scatter(kind_P, part_K)
    if skip_logit is None:
        return total_P
    skipped_P = watched.log_skip_P if rho is None else watched.log_skip_P + log_ndtr(a_P.double())
    logit = skip_logit.double()
    return torch.logaddexp(logsigmoid(logit) + skipped_P, logsigmoid(-logit) + total_P)
