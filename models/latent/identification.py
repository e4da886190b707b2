"""How far the data determine the correlation: error, likelihood ratio, profile, and whether to use it at all.

Shape legend: P parameters.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.latent.selection_model import SelectionModel, SelectionRows, fit_full_batch

MAX_STANDARD_ERROR = 0.1
PROFILE_GRID = (-0.9, -0.6, -0.3, 0.0, 0.3, 0.6, 0.9)


@dataclass(frozen=True)
class RhoReport:
    """What must be said with every fitted correlation (docs/methods/debias.md#identification-of-the-correlation).

    Attributes:
        rho: maximum-likelihood estimate.
        standard_error: from the observed information; infinite where that is singular.
        likelihood_ratio: 2 * (log-likelihood - its maximum at rho = 0), at least 0.
        sources: what identifies rho, of "random rows" and "exclusion restriction".
    """

    rho: float
    standard_error: float
    likelihood_ratio: float
    sources: tuple[str, ...]

    @property
    def p_value(self) -> float:
        """Of rho = 0, chi-square with one degree of freedom; right for unpenalised models of a fixed size only."""
        return math.erfc(math.sqrt(self.likelihood_ratio / 2))

    @property
    def warning(self) -> str | None:
        """Why rho should not be used, or None."""
        if not self.sources:
            return (
                f"nothing but the normal shape identifies rho = {self.rho:.2f} (standard error "
                f"{self.standard_error:.2f}): keep 0, or add random rows or features that move exposure only"
            )
        if not self.standard_error <= MAX_STANDARD_ERROR:
            return f"rho = {self.rho:.2f} has standard error {self.standard_error:.2f} > {MAX_STANDARD_ERROR}: keep 0"
        return None


@dataclass(frozen=True)
class SelectionFit:
    """A model with rho learned, the same with rho = 0, and which of them to use.

    Attributes:
        free: maximum of the whole likelihood.
        independent: maximum at rho = 0: two separate fits, its outcome is the naive one.
        report: what the data say about rho.
    """

    free: SelectionModel
    independent: SelectionModel
    report: RhoReport

    @property
    def kept(self) -> SelectionModel:
        """The model to use: rho = 0 wherever the report warns."""
        return self.free if self.report.warning is None else self.independent


def fit_selection(independent: SelectionModel, rows: SelectionRows) -> SelectionFit:
    """Fit a small or linear model with rho = 0, then, starting there, with rho free.

    Args:
        independent: model with rho fixed at 0; it is fitted in place.
        rows: all rows of the population.
    """
    at_zero = fit_full_batch(independent, rows)
    free = with_rho(independent, None)
    at_best = fit_full_batch(free, rows)
    return SelectionFit(
        free,
        independent,
        RhoReport(
            rho=free.rho,
            standard_error=standard_error(free, rows),
            likelihood_ratio=max(0.0, 2 * rows.population * (at_zero - at_best)),
            sources=identifying_sources(free, rows),
        ),
    )


def identifying_sources(model: SelectionModel, rows: SelectionRows) -> tuple[str, ...]:
    """Return what identifies rho beyond the normal shape."""
    found = {
        "random rows": bool(rows.random.any()),
        "exclusion restriction": model.indices.num_apart > 0,
    }
    return tuple(name for name, present in found.items() if present)


def with_rho(model: SelectionModel, rho: float | None) -> SelectionModel:
    """Return a copy with the same indices and scale and another correlation, fixed or (None) learned from 0."""
    share = None if model.skip_logit is None else float(torch.sigmoid(model.skip_logit.detach()))
    other = SelectionModel(copy.deepcopy(model.indices), rho, share)
    other.log_sigma.data.copy_(model.log_sigma.detach())
    return other


def profile(model: SelectionModel, rows: SelectionRows, grid: Sequence[float] = PROFILE_GRID) -> dict[float, float]:
    """Return rho -> maximal log-likelihood per row of the population with rho fixed there, over all other parameters.

    Each fit starts from its neighbour's, so give the grid in order.
    """
    curve = {}
    for rho in grid:
        model = with_rho(model, rho)
        curve[rho] = -fit_full_batch(model, rows)
    return curve


def standard_error(model: SelectionModel, rows: SelectionRows, step: float = 1e-4) -> float:
    """Return the standard error of a learned rho from the observed information; infinite where that is singular.

    The information is the Hessian by central differences of the analytic gradient, 2 P evaluations; the error of kappa
    is carried over to rho by its slope. For embedding models bootstrap over users instead.
    """
    kappa = model.correlation.kappa
    assert kappa is not None
    # A binary likelihood does not contain sigma.
    parameters = [p for name, p in model.named_parameters() if rows.continuous or name != "log_sigma"]
    information_PP = rows.population * _hessian(model, rows, parameters, step)
    factor_PP, failed = torch.linalg.cholesky_ex(information_PP)
    if int(failed):
        return math.inf
    position = [parameter is kappa for parameter in parameters].index(True)
    at = sum(parameter.numel() for parameter in parameters[:position])
    variance = torch.cholesky_inverse(factor_PP)[at, at]
    slope = model.correlation.bound * (1 - torch.tanh(kappa.detach()) ** 2)
    return float(slope * variance.sqrt())


def _hessian(model: nn.Module, rows: object, parameters: list[nn.Parameter], step: float) -> Tensor:
    """Return the Hessian of `model(rows)`, [P, P]."""
    start_P = nn.utils.parameters_to_vector(parameters).detach().clone()

    def gradient(at_P: Tensor) -> Tensor:
        nn.utils.vector_to_parameters(at_P, parameters)
        return torch.cat([g.reshape(-1) for g in torch.autograd.grad(model(rows), parameters)])

    shift_PP = step * torch.eye(len(start_P), dtype=start_P.dtype)
    rows_PP = torch.stack([(gradient(start_P + d_P) - gradient(start_P - d_P)) / (2 * step) for d_P in shift_PP])
    nn.utils.vector_to_parameters(start_P, parameters)
    return (rows_PP + rows_PP.T) / 2
