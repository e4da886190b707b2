"""Learned together from scratch under strong exposure: the weighted and imputed losses undo what the naive one takes in.

docs/methods/debias.md#synthetic-recovery, case (a): exposure depends on x alone, the outcome model is mis-specified.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

PAIRS = 12_000
STEPS = 120
# The entire-space term learns the outcome where rows are observed: it would bring the bias of a wrong model back.
CORRECTED: dict[str, dict[str, Any]] = {
    "ips": {}, "snips": {}, "eib": {}, "dr": {}, "dr_jl": {}, "mrdr": {}, "dr_bias": {}, "dr_mse": {}, "tdr": {},
    "stable_dr": {}, "ips_v2": {"entire_space": 0}, "dr_v2": {"entire_space": 0}, "escm2_ips": {"entire_space": 0},
    "escm2_dr": {"entire_space": 0}, "dt_ips": {}, "dt_dr": {}, "tmle": {}, "cdr": {}, "dce_dr": {}, "dr_cross": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def world() -> dict[str, Tensor]:
    """Return inputs, chances and draws; exposure and taste share x1, which the prediction does not see."""
    g = torch.Generator().manual_seed(11)
    x_BK = torch.randn(PAIRS, 2, generator=g)
    propensity_B = torch.sigmoid(-1.5 + x_BK[:, 0]).clamp(min=0.02)
    chance_B = torch.sigmoid(0.5 + 1.2 * x_BK[:, 0] - 0.8 * x_BK[:, 1])
    liked_B, observed_B = ((torch.rand(PAIRS, generator=g) < p).float() for p in (chance_B, propensity_B))
    return {"x": x_BK, "propensity": propensity_B, "chance": chance_B, "liked": liked_B, "observed": observed_B}


def bias_of(kind: str, config: dict[str, Any], world: dict[str, Tensor], make: Any, build: Any, binary: bool) -> float:
    """Return mean prediction less mean chance over D after full-batch Adam."""
    objective = build(kind, **config)
    prediction, towers = nn.Linear(1, 1), nn.ModuleDict({name: nn.Linear(2, 1) for name in ("imputation", "exposure")})
    optimizer = torch.optim.Adam([*prediction.parameters(), *towers.parameters()], lr=0.1)
    # Labels that are not meaningful are wrong on purpose.
    label_B = torch.where(world["observed"] > 0, world["liked"], 0.5)
    for _ in range(STEPS):
        optimizer.zero_grad()
        rows = make(
            prediction(world["x"][:, 1:])[:, 0], label_B, world["observed"], world["propensity"], binary,
            auxiliary={name: tower(world["x"])[:, 0] for name, tower in towers.items()},
            encoded_BE=world["x"], second_BE=world["x"][:, :1],
        )  # fmt: skip
        objective(rows).backward()
        optimizer.step()
    with torch.no_grad():
        return (torch.sigmoid(prediction(world["x"][:, 1:])).mean() - world["chance"].mean()).item()


def test_the_naive_loss_takes_the_exposure_in(world: Any, model_rows: Any, objective_of: Any) -> None:
    assert bias_of("naive", {}, world, model_rows, objective_of, binary=True) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("kind", CORRECTED)
def test_the_mean_over_all_rows_is_learned(
    kind: str, world: Any, model_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    assert abs(bias_of(kind, CORRECTED[kind], world, model_rows, objective_of, binary=True)) < 0.03


def test_rel_mf_learns_the_inverse_weighted_rate(world: Any, model_rows: Any, objective_of: Any) -> None:
    """mean_D o r / p, which has no control of its variance: this draw puts it .04 below the truth."""
    estimate = (world["observed"] * world["liked"] / world["propensity"]).mean() - world["chance"].mean()
    found = bias_of("rel_mf", {}, world, model_rows, objective_of, binary=True)
    assert found == pytest.approx(estimate.item(), abs=0.004)


@pytest.mark.parametrize("kind", ["dr_jl", "mrdr", "tdr", "stable_dr", "dr_v2"])
def test_so_it_is_for_watch_time_with_a_stepwise_label(
    kind: str, world: Any, model_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    assert abs(bias_of(kind, CORRECTED[kind], world, model_rows, objective_of, binary=False)) < 0.03
