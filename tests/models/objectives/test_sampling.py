"""However a batch is drawn, it estimates the same: uniform from D, stratified with weights, or with random rows beside."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from models.objectives import OBJECTIVES

PAIRS = 20_000
BATCHES = 300
WITH_RISK = [kind for kind, c in OBJECTIVES.items() if hasattr(c, "risk")]
RATIOS = {"stable_dr"}
"""The divisor is the batch's: biased by the order of one over the rows of a batch."""
WHOLE = ["naive", "ips", "snips", "esmm", "rel_mf", *WITH_RISK]


@pytest.fixture(scope="module")
def problem(selection: Callable[..., Any]) -> Any:
    """Return 20,000 pairs."""
    return selection(5, PAIRS)


@pytest.fixture(scope="module")
def rows_at(problem: Any, model_rows: Callable[..., Any]) -> Callable[..., Any]:
    """Return the maker of batches: (positions, fields by name), a model that knows something, right propensities."""
    g = torch.Generator().manual_seed(6)
    logit_B, pseudo_B = torch.randn(2, PAIRS, generator=g)

    def make(at_B: Tensor, **fields: Any) -> Any:
        propensity_B = problem.propensity_B[at_B]
        auxiliary = {"imputation": pseudo_B[at_B], "exposure": torch.logit(propensity_B)}
        given = {"observed_B": problem.observed_B[at_B], "propensity_B": propensity_B, "auxiliary": auxiliary, **fields}
        return model_rows(logit_B[at_B], problem.liked_B[at_B], **given)

    return make


def estimate(objective: Any, rows: Any) -> Tensor:
    found: Tensor = objective.risk(rows) if hasattr(objective, "risk") else objective(rows)
    return found


@pytest.fixture(scope="module")
def samples(problem: Any) -> dict[str, list[tuple[Tensor, Tensor | None]]]:
    """Return positions and weights of uniform batches, and of batches with seven times as many observed rows."""
    g = torch.Generator().manual_seed(7)
    seen = problem.observed_B > 0
    strata = [(part.nonzero()[:, 0], count) for part, count in ((seen, 300), (~seen, 100))]
    weight_B = torch.cat([torch.full((count,), len(part) / PAIRS / count) for part, count in strata])

    def positions(part: Tensor, count: int) -> Tensor:
        return part[torch.randint(len(part), (count,), generator=g)]

    uniform = [(torch.randint(PAIRS, (400,), generator=g), None) for _ in range(BATCHES)]
    stratified = [(torch.cat([positions(*stratum) for stratum in strata]), weight_B) for _ in range(BATCHES)]
    return {"uniform": uniform, "stratified": stratified}


@pytest.mark.slow
@pytest.mark.parametrize("kind", WHOLE)
def test_batches_of_either_kind_estimate_the_whole(
    kind: str, samples: Any, rows_at: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    objective = objective_of(kind).eval() if kind != "snips" else objective_of(kind)
    whole = estimate(objective, rows_at(torch.arange(PAIRS))).item()
    slack = 0.01 if kind in RATIOS else 0
    spread = {}
    for name, batches in samples.items():
        found = torch.stack(
            [estimate(objective, rows_at(at_B, **({} if w is None else {"weight_B": w}))) for at_B, w in batches]
        )
        spread[name] = found.std().item()
        assert abs(found.mean().item() - whole) < 3 * spread[name] / BATCHES**0.5 + slack, name
    if kind in ("ips", "snips", "dr", "dr_jl"):
        assert spread["stratified"] < spread["uniform"]


@pytest.mark.parametrize("kind", ["ips", *WITH_RISK])
def test_random_rows_are_a_sample_of_all_rows(
    kind: str, problem: Any, rows_at: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    """A third stratum, a tenth of the population, whatever the exposure tower says about it."""
    objective = objective_of(kind).eval()
    truth = torch.nn.functional.binary_cross_entropy_with_logits(
        rows_at(torch.arange(PAIRS)).out_BO[:, 0], problem.liked_B
    )
    g, found = torch.Generator().manual_seed(8), []
    for _ in range(BATCHES):
        at_B = torch.randint(PAIRS, (600,), generator=g)
        random_B = torch.arange(600) >= 400
        drawn_B = (torch.rand(600, generator=g) < problem.propensity_B[at_B]).float()
        observed_B = torch.where(random_B, 1.0, drawn_B)
        propensity_B = torch.where(random_B, 1.0, problem.propensity_B[at_B])
        weight_B = torch.where(random_B, 0.1 / 200, 0.9 / 400)
        exposure_B = torch.logit(torch.where(random_B, 1e-5, problem.propensity_B[at_B]))
        rows = rows_at(
            at_B, observed_B=observed_B, propensity_B=propensity_B, random_B=random_B, weight_B=weight_B,
            auxiliary={"imputation": torch.linspace(-1, 1, 600), "exposure": exposure_B},
        )  # fmt: skip
        found.append(estimate(objective, rows))
    errors = torch.stack(found) - truth
    if kind == "eib":
        assert abs(errors.mean()) > 3 * errors.std() / BATCHES**0.5
    else:
        assert abs(errors.mean()) < 3 * errors.std() / BATCHES**0.5 + (0.01 if kind in RATIOS else 0)
