"""Double robustness of every DR-type class, and the published form without.

Source: docs/methods/debias.md#the-doubly-robust-loss.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from models.objectives import OBJECTIVES
from models.objectives.base import TaskRows
from models.objectives.doubly_robust import DoublyRobust
from tests.models.objectives.conftest import settle

ELSEWHERE = {"stable_dr", "tmle", "dr_residual", "dr_cross", "dce_dr"}
"""StableDR is robust through what its propensity learns (test_stable_dr.py); the others differ from DR-JL in the pseudo-label or in
what is corrected, and errors are given here (test_strata.py, test_double_robustness_of_heads.py)."""
DOUBLY_ROBUST = [kind for kind, c in OBJECTIVES.items() if issubclass(c, DoublyRobust) and kind not in ELSEWHERE]
DRAWS = 8
RIGHT = [(True, False), (False, True), (True, True)]
SELECTION_BIAS = 0.082
"""Of the naive estimate: what remains where nothing is right."""


def test_the_family_is_complete() -> None:
    assert set(DOUBLY_ROBUST) >= {
        "dr",
        "dr_jl",
        "mrdr",
        "dr_bias",
        "dr_mse",
        "tdr",
        "dr_v2",
        "escm2_dr",
        "dt_dr",
        "cdr",
    }


@dataclass(frozen=True)
class Nuisances:
    """A problem with the propensities and imputed errors that a row of the table gives the estimators."""

    problem: Any
    propensity_B: Tensor
    imputed_B: Tensor

    def rows(self, task_rows: Callable[..., TaskRows], at_B: Tensor | slice, **fields: Any) -> TaskRows:
        """Return a batch: the rows at some positions, in the order asked."""
        imputed_B, propensity_B = self.imputed_B[at_B], self.propensity_B[at_B]
        return task_rows(
            self.problem.loss_B[at_B], self.problem.observed_B[at_B], propensity_B,
            expected_loss=lambda out_BO, statistics_BS: imputed_B,
            auxiliary={"imputation": torch.zeros_like(imputed_B), "exposure": torch.logit(propensity_B)},
            **fields,
        )  # fmt: skip


def nuisances(problem: Any, p_right: bool, e_right: bool) -> Nuisances:
    loss_B, propensity_B = problem.loss_B, problem.propensity_B
    return Nuisances(
        problem,
        propensity_B if p_right else propensity_B.mean().expand_as(loss_B),
        problem.expected_B if e_right else (0.6 * loss_B.mean()).expand_as(loss_B),
    )


def published_form(case: Nuisances, observed_at: Tensor, all_at: Tensor) -> Tensor:
    """[sum_B e / p - sum_B ê + sum_S ê] / |S|: what public code computes."""
    e_B, imputed_B = case.problem.loss_B[observed_at], case.imputed_B[observed_at]
    return ((e_B / case.propensity_B[observed_at] - imputed_B).sum() + case.imputed_B[all_at].sum()) / len(all_at)


@pytest.fixture(scope="module")
def problems(selection: Callable[..., Any]) -> list[Any]:
    """Return eight draws of 400,000 pairs."""
    return [selection(seed) for seed in range(DRAWS)]


def errors_of(kind: str, problems: list[Any], p_right: bool, e_right: bool, make: Any, build: Any) -> Tensor:
    """Return the error of every draw's estimate; TDR has taken a step first, so that its t is not 0."""
    errors = []
    for problem in problems:
        rows = nuisances(problem, p_right, e_right).rows(make, slice(None))
        objective = build(kind)
        if kind == "tdr":
            objective(rows)
            assert objective.t.item() != 0
        errors.append(objective.risk(rows) - problem.loss_B.mean())
    return torch.stack(errors)


@pytest.mark.slow
@pytest.mark.parametrize(("p_right", "e_right"), RIGHT, ids=["p_true", "e_true", "both_true"])
@pytest.mark.parametrize("kind", DOUBLY_ROBUST)
def test_one_right_model_is_enough(
    kind: str, p_right: bool, e_right: bool, problems: list[Any], task_rows: Any, objective_of: Any
) -> None:
    errors = errors_of(kind, problems, p_right, e_right, task_rows, objective_of)
    assert abs(errors.mean()) < 3 * errors.std() / DRAWS**0.5


@pytest.mark.parametrize("kind", DOUBLY_ROBUST)
def test_two_wrong_models_leave_the_selection_bias(
    kind: str, problems: list[Any], task_rows: Any, objective_of: Any
) -> None:
    errors = errors_of(kind, problems[:3], False, False, task_rows, objective_of)
    assert errors.mean().item() == pytest.approx(SELECTION_BIAS, abs=0.006)


@pytest.mark.parametrize(
    ("p_right", "e_right", "published", "eib", "ips"),
    [(True, False, 0.184, -0.104, 0), (False, True, 0.370, 0, 0.082), (False, False, 0.266, -0.104, 0.082),
     (True, True, 0.288, 0, 0)],
    ids=["p_true", "e_true", "both_wrong", "both_true"],
)  # fmt: skip
def test_the_other_columns_of_the_table(
    p_right: bool, e_right: bool, published: float, eib: float, ips: float, problems: list[Any], task_rows: Any,
    objective_of: Any,
) -> None:  # fmt: skip
    """The published form is wrong even with two right models: the test above can fail."""
    found: dict[str, list[Tensor]] = {"published": [], "eib": [], "ips": [], "snips": [], "naive": []}
    for problem in problems[:4]:
        case = nuisances(problem, p_right, e_right)
        rows, risk = case.rows(task_rows, slice(None)), problem.loss_B.mean()
        seen = problem.observed_B > 0
        twin = (problem.loss_B / case.propensity_B - case.imputed_B)[seen].sum() / len(seen) + case.imputed_B.mean()
        found["published"].append(twin - risk)
        found["eib"].append(objective_of("eib").risk(rows) - risk)
        for kind in ("ips", "snips", "naive"):
            found[kind].append(objective_of(kind)(rows) - risk)
    means = {name: torch.stack(values).mean().item() for name, values in found.items()}
    expected = {"published": published, "eib": eib, "ips": ips, "snips": ips, "naive": SELECTION_BIAS}
    assert means == pytest.approx(expected, abs=0.003)


def draw(positions: Tensor, count: int, g: torch.Generator) -> Tensor:
    return positions[torch.randint(len(positions), (count,), generator=g)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", DOUBLY_ROBUST)
def test_mini_batches_estimate_the_same(kind: str, problems: list[Any], task_rows: Any, objective_of: Any) -> None:
    """64 rows of O beside 128 of N, weighted by what they stand for; p is right, ê is not."""
    case, objective = nuisances(problems[0], p_right=True, e_right=False), objective_of(kind)
    seen = problems[0].observed_B > 0
    observed, unobserved, share = seen.nonzero()[:, 0], (~seen).nonzero()[:, 0], seen.float().mean()
    weight_B = torch.cat([(share / 64).expand(64), ((1 - share) / 128).expand(128)])
    g = torch.Generator().manual_seed(1)
    estimates, published = [], []
    for _ in range(800):
        observed_at = draw(observed, 64, g)
        rows = case.rows(task_rows, torch.cat([observed_at, draw(unobserved, 128, g)]), weight_B=weight_B)
        if kind == "tdr":
            objective.train()(rows)
        estimates.append(objective.risk(rows))
        published.append(published_form(case, observed_at, torch.randint(len(seen), (192,), generator=g)))
    found, twin = torch.stack(estimates), torch.stack(published).mean().item()
    truth = problems[0].loss_B.mean()
    assert truth.item() == pytest.approx(0.394, abs=0.002)
    # TDR's t follows the batch before: its estimates are not independent, which its own tests look at.
    assert abs(found.mean() - truth) < 3 * found.std() / len(found) ** 0.5
    assert twin == pytest.approx(0.747, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "p_right", "m_right"),
    [(kind, *right) for kind in [*DOUBLY_ROBUST, "tmle"] for right in RIGHT if right[0] or kind != "dr"],
)
def test_the_gradient_is_doubly_robust_too(
    kind: str, p_right: bool, m_right: bool, problems: list[Any], model_rows: Any, objective_of: Any
) -> None:
    """At the true mean label a constant model has no gradient; `dr` imputes the mean label and needs the right p."""
    gradients = []
    for problem in problems:
        mean = problem.liked_B.mean()
        logit = torch.logit(mean).requires_grad_()
        pseudo_B = problem.chance_B if m_right else torch.full_like(problem.chance_B, 0.3)
        propensity_B = problem.propensity_B if p_right else problem.propensity_B.mean().expand_as(pseudo_B)
        rows = model_rows(
            logit.expand_as(pseudo_B), problem.liked_B, problem.observed_B, propensity_B,
            auxiliary={"imputation": torch.logit(pseudo_B), "exposure": torch.logit(propensity_B)},
        )  # fmt: skip
        objective = objective_of(kind)
        settle(objective, rows)
        gradients.append(torch.autograd.grad(objective.risk(rows), logit)[0])
    found = torch.stack(gradients)
    assert abs(found.mean()) < 3 * found.std() / DRAWS**0.5
