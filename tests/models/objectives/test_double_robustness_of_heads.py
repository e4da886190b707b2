"""Double robustness on watch time: every DR-type class with every head, the imputation learned by its own step.

Six cells of x with known laws of watch time, free outputs and a free imputation per cell, and every expectation exact:
the batch holds each value of each cell with the weight that it has in D. So nothing below is a matter of chance.

Shape legend: B rows, C cells, N values of watch time, O outputs of a head, S statistics of a label.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.heads import HEADS
from models.heads.base import Head, TrainLabels
from models.heads.finite_law import nodes
from models.objectives import OBJECTIVES
from models.objectives.base import TaskRows
from models.objectives.doubly_robust import JointDoublyRobust
from models.schema import InputSchema
from tests.models.objectives.conftest import build_objective, rows_of, settle

# StableDR is robust through what its propensity learns: see below, and test_stable_dr.py. TMLE is within strata: test_strata.py.
JOINT = [k for k, c in OBJECTIVES.items() if issubclass(c, JointDoublyRobust) and k not in ("stable_dr", "tmle")]
RIGHT_P = torch.tensor([0.15, 0.6, 0.3, 0.8, 0.2, 0.5])
WRONG_P = {"too small and too large": RIGHT_P.flip(0), "too large": torch.full((6,), 0.9)}
LEARNED = 0.01
"""Largest relative error of a gradient under a learned imputation. The search for the latter ends, in float32, with
probabilities within .003; where they are small it is the flat end of a cross-entropy."""
SCHEMA = InputSchema(fields=(("duration", 3),))
"""One field: two cells have the same duration."""
COUNT = 1000
"""Train rows of a cell: probabilities are multiples of 1 / 1000."""

SMALL: dict[str, dict[str, Any]] = {
    "ordinal": {"thresholds": 20},
    "cread": {"thresholds": 20},
    "hazard": {"thresholds": 20},
    "tpm": {"depth": 3},
    "cqe": {"quantiles": 9},
    "egmn": {"components": 3},
    "hegm": {"components": 3},
    "gr": {"resolution_s": 10.0, "width": 8, "hidden": 16, "told": 10**6},
}
"""Heads of fewer outputs, whose searches are shorter."""

INTERPOLATED = ("vr_l1", "vr_huber", "vr_phuber", "cqe", "cread", "egmn", "hegm")
"""Heads whose expected loss is exact on nodes only."""

ROUGH = ("cqe", "egmn", "hegm", "gr")
"""Heads whose risk has kinks or is not convex: searches of one function end apart by a hundredth of what is at stake."""

SEVERAL_OPTIMA = ("gr",)
"""Heads whose risk has more than one: their decoder is a network, here with the weights that it begins with."""

QUICK = ("tr_log", "ordinal", "vr_l1")
"""One head of each kind: a latent label, several statistics, a finite law."""
EVERY_HEAD = [head if head in QUICK else pytest.param(head, marks=pytest.mark.slow) for head in HEADS]


@dataclass(frozen=True)
class Problem:
    """Six cells, equally frequent.

    Attributes:
        head: fitted on all rows.
        duration_C: seconds.
        watch_CN: the values of a cell, seconds.
        chance_CN: their probabilities.
    """

    head: Head
    duration_C: Tensor
    watch_CN: Tensor
    chance_CN: Tensor

    def risk(self, out_CO: Tensor) -> Tensor:
        """Return the full-information risk, mean_D e."""
        times = self.watch_CN.shape[1]
        loss_B = self.head.loss(
            out_CO.repeat_interleave(times, 0), self.watch_CN.flatten(), self.duration_C.repeat_interleave(times)
        )
        return (self.chance_CN.flatten() * loss_B).sum() / 6

    def rows(self, out_CO: Tensor, raw_CS: Tensor, propensity_C: Tensor) -> TaskRows:
        """Return D as a batch: every observed value of every cell, then the unobserved rows of each.

        Args:
            out_CO: the task's outputs.
            raw_CS: the imputation tower's.
            propensity_C: what the objective takes for p; exposure itself follows `RIGHT_P`.
        """
        times = self.watch_CN.shape[1]
        cell_B = torch.cat([torch.arange(6).repeat_interleave(times), torch.arange(6)])
        observed_B = torch.cat([torch.ones(6 * times), torch.zeros(6)])
        watch_B = torch.cat([self.watch_CN.flatten(), torch.zeros(6)])
        weight_B = torch.cat([(RIGHT_P.unsqueeze(1) * self.chance_CN).flatten(), 1 - RIGHT_P]) / 6
        out_BO, duration_B = out_CO[cell_B], self.duration_C[cell_B]
        return rows_of(
            self.head.loss(out_BO, watch_B, duration_B), observed_B, propensity_C[cell_B], weight_B=weight_B,
            out_BO=out_BO, label_B=watch_B, binary=False,
            statistics_for=partial(self.head.statistics, duration_B=duration_B),
            expected_statistics=self.head.expected_statistics,
            statistics_loss=partial(self.head.statistics_loss, duration_B=duration_B),
            expected_loss=partial(self.head.expected_loss, duration_B=duration_B),
            auxiliary={"imputation": raw_CS[cell_B], "exposure": torch.logit(propensity_C)[cell_B]},
            loss_for=partial(self.head.loss, duration_B=duration_B), level_of=lambda field: cell_B // 2,
            user_B=torch.zeros_like(cell_B),
        )  # fmt: skip

    def random(self, width: int, seed: int, spread: float = 0.5) -> Tensor:
        """Return numbers for every cell, as outputs of a network might be, [C, width]."""
        return spread * torch.randn(6, width, generator=torch.Generator().manual_seed(seed))


def law(watch_N: Tensor, zero: float, complete: float, power: float) -> Tensor:
    """Return probabilities of ascending values: atoms at both ends, a body that falls or rises between, [N]."""
    share_N = watch_N / watch_N[-1]
    body_N = (share_N.sqrt() + 0.05) ** power
    body_N[0] = body_N[-1] = 0
    count_N = torch.floor((1 - zero - complete) * COUNT * body_N / body_N.sum())
    count_N[0], count_N[-1] = zero * COUNT, complete * COUNT
    count_N[1] += COUNT - count_N.sum()
    return count_N / COUNT


@cache
def problem(kind: str, values: str = "on nodes", alike: bool = False) -> Problem:
    """Return the cells: three durations and two kinds of viewer, or all alike.

    Args:
        kind: head.
        values: "on nodes" of the finite law that heads without a linear loss take for the label's, or "between" them.
        alike: whether every cell is the first one.
    """
    duration_C = torch.tensor([10.0, 10, 30, 30, 90, 90])
    share_N = torch.linspace(0, 1, 48)
    watch_CN = nodes(duration_C) if values == "on nodes" else duration_C.unsqueeze(1) * share_N
    viewers = [(0.3, 0.1, -1.0), (0.05, 0.35, 1.0)] * 3
    chance_CN = torch.stack([law(watch_N, *viewer) for watch_N, viewer in zip(watch_CN, viewers, strict=True)])
    if alike:
        duration_C, watch_CN, chance_CN = (cells[:1].expand_as(cells) for cells in (duration_C, watch_CN, chance_CN))
    counts = torch.round(chance_CN * COUNT).long().flatten().numpy()
    watch, duration = watch_CN.flatten().double().numpy(), duration_C.double().numpy().repeat(watch_CN.shape[1])
    labels = TrainLabels(np.repeat(watch, counts), np.repeat(duration, counts))
    config = HEADS[kind].Config(**SMALL.get(kind, {}))
    torch.manual_seed(0)  # the heads that have weights of their own begin alike
    return Problem(HEADS[kind](config, HEADS[kind].fit_state(config, labels)), duration_C, watch_CN, chance_CN)


def minimised(loss: Callable[[Tensor], Tensor], start: Tensor, steps: int) -> Tensor:
    """Return where a quasi-Newton search from `start` ends."""
    found = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [found], max_iter=steps, tolerance_grad=1e-8, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(found)
        value.backward()
        return value

    optimizer.step(closure)
    return found.detach()


@cache
def learned(kind: str, values: str = "on nodes") -> Tensor:
    """Return the imputation that the step of DR-JL learns under a wrong propensity, [C, S]."""
    cells, objective = problem(kind, values), build_objective("dr_jl")
    out_CO = cells.random(cells.head.num_outputs, seed=1)
    wrong_C = WRONG_P["too small and too large"]

    def loss(raw_CS: Tensor) -> Tensor:
        found: Tensor = objective.imputation_loss(cells.rows(out_CO, raw_CS, wrong_C))
        return found

    return minimised(loss, torch.zeros(6, cells.head.num_statistics), steps=150)


def frozen(cells: Problem) -> Tensor:
    """Return a wrong imputation, [C, S]."""
    return cells.random(cells.head.num_statistics, seed=2, spread=2.0)


def gradient(loss: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    leaf = at.clone().requires_grad_()
    return torch.autograd.grad(loss(leaf), leaf)[0]


def gradient_error(cells: Problem, objective: Any, raw_CS: Tensor, propensity_C: Tensor) -> float:
    """Return how far the estimate's gradient is from that of the risk at outputs that are not the best, relatively."""
    out_CO = cells.random(cells.head.num_outputs, seed=3)
    objective.bind(SCHEMA, cells.head.num_statistics, cells.head.num_outputs)
    settle(objective, cells.rows(out_CO, raw_CS, propensity_C))
    true_CO = gradient(cells.risk, out_CO)
    found_CO = gradient(lambda out_CO: objective.risk(cells.rows(out_CO, raw_CS, propensity_C)), out_CO)
    return ((found_CO - true_CO).norm() / true_CO.norm()).item()


@pytest.mark.parametrize("head", EVERY_HEAD)
def test_the_imputation_learns_the_mean_of_the_statistics(head: str) -> None:
    cells = problem(head)
    times = cells.watch_CN.shape[1]
    each_BS = cells.head.statistics(cells.watch_CN.flatten(), cells.duration_C.repeat_interleave(times))
    mean_CS = (cells.chance_CN.unsqueeze(2) * each_BS.view(6, times, -1)).sum(dim=1)
    torch.testing.assert_close(cells.head.expected_statistics(learned(head)), mean_CS, rtol=0, atol=5e-3)


@pytest.mark.parametrize("head", EVERY_HEAD)
@pytest.mark.parametrize("kind", JOINT)
def test_one_right_model_gives_the_gradient_of_the_risk(kind: str, head: str) -> None:
    """At any outputs: so the optimum is that of full information, however few outputs the cells share."""
    cells, objective = problem(head), partial(build_objective, kind)
    wrong_C = WRONG_P["too small and too large"]
    p_right = gradient_error(cells, objective(), frozen(cells), RIGHT_P)
    m_right = gradient_error(cells, objective(), learned(head), wrong_C)
    neither = gradient_error(cells, objective(), frozen(cells), wrong_C)
    assert p_right < 1e-4
    assert m_right < LEARNED
    assert neither > 5 * LEARNED


@pytest.mark.parametrize("head", EVERY_HEAD)
@pytest.mark.parametrize("kind", JOINT)
def test_every_weighting_learns_the_same_imputation(kind: str, head: str) -> None:
    cells, objective = problem(head), build_objective(kind)
    out_CO = cells.random(cells.head.num_outputs, seed=3)
    for propensity_C in (RIGHT_P, *WRONG_P.values()):

        def loss(raw_CS: Tensor, propensity_C: Tensor = propensity_C) -> Tensor:
            found: Tensor = objective.imputation_loss(cells.rows(out_CO, raw_CS, propensity_C))
            return found

        there, elsewhere = (gradient(loss, raw_CS).norm() for raw_CS in (learned(head), frozen(cells)))
        assert there < 0.01 * elsewhere


def regret(cells: Problem, head: str, values: str, raw_CS: Tensor, propensity_C: Tensor) -> float:
    """Return by how much the risk at the optimum of DR-JL exceeds the least risk.

    Where a risk has several optima the search begins at the one that was found of it, and leaves it if it is none of DR-JL's.
    """
    objective = build_objective("dr_jl")
    begins_there = head in SEVERAL_OPTIMA
    start = least(head, values) if begins_there else cells.random(cells.head.num_outputs, seed=4, spread=0.1)

    def estimate(out_CO: Tensor) -> Tensor:
        found: Tensor = objective.risk(cells.rows(out_CO, raw_CS, propensity_C))
        return found

    best_CO, found_CO = least(head, values), minimised(estimate, start, steps=20)
    return (cells.risk(found_CO) - cells.risk(best_CO)).item()


@cache
def least(kind: str, values: str) -> Tensor:
    cells = problem(kind, values)
    steps = 200 if kind in SEVERAL_OPTIMA else 20
    return minimised(cells.risk, cells.random(cells.head.num_outputs, seed=4, spread=0.1), steps)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "values"), [*((head, "on nodes") for head in HEADS), *((head, "between") for head in INTERPOLATED)]
)
def test_one_right_model_gives_the_optimum(head: str, values: str) -> None:
    cells, wrong_C = problem(head, values), WRONG_P["too large"]
    p_right = regret(cells, head, values, frozen(cells), RIGHT_P)
    m_right = regret(cells, head, values, learned(head, values), wrong_C)
    neither = regret(cells, head, values, frozen(cells), wrong_C)
    tolerance = 0.03 if head in ROUGH else 1e-3
    assert abs(p_right) < tolerance * neither
    assert abs(m_right) < tolerance * neither
    assert neither > 0.01


@pytest.mark.parametrize("head", EVERY_HEAD)
def test_error_imputation_is_right_where_the_imputation_is(head: str) -> None:
    cells, eib = problem(head), build_objective("eib")
    assert gradient_error(cells, eib, learned(head), WRONG_P["too large"]) < LEARNED
    assert gradient_error(cells, eib, frozen(cells), RIGHT_P) > 20 * LEARNED


@pytest.mark.parametrize("head", EVERY_HEAD)
def test_a_fixed_imputation_is_right_where_one_law_holds_everywhere(head: str) -> None:
    wrong_C = WRONG_P["too small and too large"]
    errors = []
    for alike in (True, False):
        cells, objective = problem(head, alike=alike), build_objective("dr")
        objective.bind(SCHEMA, cells.head.num_statistics, cells.head.num_outputs)
        objective(cells.rows(cells.random(cells.head.num_outputs, seed=1), frozen(cells), wrong_C))
        errors.append(gradient_error(cells, objective, frozen(cells), wrong_C))
        assert gradient_error(cells, objective, frozen(cells), RIGHT_P) < 1e-4
    assert errors[0] < 1e-4 < 0.1 < errors[1]


@pytest.mark.parametrize("head", EVERY_HEAD)
def test_no_imputation_reaches_the_optimum_of_stable_dr(head: str) -> None:
    """Its prediction is weighted, not corrected: a wrong p̂ moves weight between cells and a right one none."""
    cells, objective = problem(head), build_objective("stable_dr")
    assert gradient_error(cells, objective, frozen(cells), RIGHT_P) < 1e-4
    out_CO, wrong_C = cells.random(cells.head.num_outputs, seed=3), WRONG_P["too small and too large"]
    weight_C = RIGHT_P / wrong_C
    found_CO = gradient(lambda out_CO: objective.risk(cells.rows(out_CO, frozen(cells), wrong_C)), out_CO)
    true_CO = gradient(cells.risk, out_CO) * (weight_C / weight_C.mean()).unsqueeze(1)
    torch.testing.assert_close(found_CO, true_CO, rtol=1e-3, atol=1e-6)


def test_a_pseudo_label_in_seconds_is_not_enough() -> None:
    """Jensen: the transform of the mean share is not the mean of the transform, and a wrong p lets the difference in."""
    cells, objective, wrong_C = problem("tr_log"), build_objective("dr_jl"), WRONG_P["too large"]
    share_C = (cells.chance_CN * cells.watch_CN).sum(dim=1) / cells.duration_C

    def estimate(out_CO: Tensor) -> Tensor:
        rows = cells.rows(out_CO, torch.logit(share_C).unsqueeze(1), wrong_C)
        duration_B = cells.duration_C.repeat_interleave(cells.watch_CN.shape[1])
        duration_B = torch.cat([duration_B, cells.duration_C])
        in_seconds = replace(
            rows,
            expected_statistics=lambda raw_BS: cells.head.statistics(
                torch.sigmoid(raw_BS[:, 0]) * duration_B, duration_B
            ),
        )
        found: Tensor = objective.risk(in_seconds)
        return found

    best_CO = least("tr_log", "on nodes")
    off_C = cells.head.score(minimised(estimate, best_CO, steps=30), cells.duration_C) - cells.head.score(
        best_CO, cells.duration_C
    )
    assert (off_C > 0.03).all()
    assert off_C.max() > 1
