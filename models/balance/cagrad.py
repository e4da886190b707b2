"""Conflict-averse gradients: near the mean gradient, the direction in which the worst task gains most.

Shape legend: T tasks, P numbers in the shared parameters.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from models.balance.base import Balance
from models.balance.task_gradients import backward_per_task, set_shared
from models.component import ComponentConfig
from models.ranges import Number

_SMALL = 1e-12


class CaGradConfig(ComponentConfig):
    """How far the step may turn away from the mean gradient."""

    kind: Literal["cagrad"] = "cagrad"
    c: Number = Field(default=0.5, ge=0, lt=1)
    """Radius of the ball around the mean gradient, in units of its norm; 0 is the mean gradient itself."""


class CaGrad(Balance):
    """Step along g_0 + (c |g_0| / |g_w|) g_w, divided by 1 + c^2, with w minimising <g_w, g_0> + c |g_0| |g_w|.

    Source: Liu et al., NeurIPS 2021; docs/methods/multi_task.md#cagrad. g_0 is the mean of the gradients of the
    weighted losses, g_w their mixture by simplex weights w, which scipy finds from the T x T table of inner products.
    """

    Config = CaGradConfig

    def __init__(self, config: CaGradConfig, weights: Mapping[str, float]) -> None:
        super().__init__(config, weights)
        self.weights = dict(weights)
        self.c = config.c

    def backward(self, losses: Mapping[str, Tensor], shared: Sequence[nn.Parameter]) -> Tensor:
        """Fill the gradients and return the weighted sum of the losses, detached."""
        weighted = [self.weights[task] * loss for task, loss in losses.items()]
        gradient_TP = backward_per_task(weighted, shared)
        inner_TT = (gradient_TP.double() @ gradient_TP.double().T).cpu().numpy()
        mixture = torch.from_numpy(combination(inner_TT, self.c)).to(gradient_TP)
        set_shared(shared, mixture @ gradient_TP)
        return torch.stack(weighted).sum().detach()


def combination(inner_TT: NDArray[np.float64], c: float) -> NDArray[np.float64]:
    """Return the weights [T] of the tasks' gradients in the step.

    Args:
        inner_TT: inner products of the gradients.
        c: see `CaGradConfig`.
    """
    num_tasks = len(inner_TT)
    even_T = np.full(num_tasks, 1 / num_tasks)
    norm = _norm(inner_TT, even_T)
    worst_T = dual_weights(inner_TT, c)
    mixture_norm = _norm(inner_TT, worst_T)
    if norm < _SMALL or mixture_norm < _SMALL:
        return even_T
    result: NDArray[np.float64] = (even_T + c * norm / mixture_norm * worst_T) / (1 + c**2)
    return result


def dual_weights(inner_TT: NDArray[np.float64], c: float) -> NDArray[np.float64]:
    """Return the simplex weights [T] that minimise <g_w, g_0> + c |g_0| |g_w|."""
    scale = float(np.trace(inner_TT)) / len(inner_TT)
    if scale <= 0:
        return np.full(len(inner_TT), 1 / len(inner_TT))
    # The objective is homogeneous of degree 2 in the gradients: rescaling moves no optimum, and keeps the solver's
    # tolerances meaningful for gradients of 1e-6 as of 1e6.
    table = inner_TT / scale
    even_T = np.full(len(table), 1 / len(table))
    norm = _norm(table, even_T)

    def value(w: NDArray[np.float64]) -> float:
        return float(w @ table @ even_T) + c * norm * _norm(table, w)

    def slope(w: NDArray[np.float64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = table @ even_T + c * norm * (table @ w) / max(_norm(table, w), _SMALL)
        return result

    from scipy.optimize import Bounds, LinearConstraint, minimize  # a second to load: for who solves with it

    found = minimize(
        value,
        even_T,
        jac=slope,
        method="SLSQP",
        bounds=Bounds(0.0, 1.0),
        constraints=LinearConstraint(np.ones((1, len(table))), 1.0, 1.0),
    )
    # SLSQP meets its constraints to about 1e-9 only: bring the result back onto the simplex.
    weight_T: NDArray[np.float64] = np.clip(found.x, 0, None)
    result: NDArray[np.float64] = weight_T / weight_T.sum()
    return result


def _norm(inner_TT: NDArray[np.float64], weight_T: NDArray[np.float64]) -> float:
    """Return the length of a mixture of the gradients."""
    return math.sqrt(max(float(weight_T @ inner_TT @ weight_T), 0.0))
