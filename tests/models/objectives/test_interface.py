"""Objectives inside a ranker: towers of their own for every task, and which encoder each of them trains."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.batch import Batch
from models.heads import HEADS
from models.objectives import OBJECTIVES
from models.ranker import Ranker

TASKS: dict[str, Any] = {"watch_time": {}, "skip": {}}
WITH_TOWERS = [kind for kind, c in OBJECTIVES.items() if c.auxiliary_towers and c.second_reads == "all"]


def recipe_of(objective: str, **config: Any) -> dict[str, Any]:
    selection = "click" if OBJECTIVES[objective].needs_unobserved else "impression"
    head = "tr_log" if objective == "latent_exogenous" else "wlr"
    return {
        "head": {"kind": head}, "tasks": TASKS, "objective": {"kind": objective, **config},
        "selection": {"kind": selection},
    }  # fmt: skip


def gradients_of(module: nn.Module) -> list[Tensor | None]:
    return [parameter.grad for parameter in module.parameters()]


@pytest.mark.parametrize("kind", WITH_TOWERS)
def test_auxiliary_towers_are_built_trained_and_separate_per_task(
    kind: str, ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model = ranker(recipe_of(kind)).train()
    rows = batch(40, unobserved=True)
    model.losses(rows)["skip"].backward()
    for tower in OBJECTIVES[kind].auxiliary_towers:
        assert all(g is not None and torch.isfinite(g).all() for g in gradients_of(model.auxiliary["skip"][tower.name]))
        assert all(g is None for g in gradients_of(model.auxiliary["watch_time"][tower.name]))
    assert any(g is not None and g.abs().sum() > 0 for g in gradients_of(model.auxiliary["skip"]))


@pytest.mark.parametrize("head", HEADS)
def test_the_imputation_of_watch_time_says_what_the_heads_loss_needs(
    head: str, ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    """And its own step trains it, whichever the head; that of a binary task has one logit."""
    model, rows = ranker({**recipe_of("dr_jl"), "head": {"kind": head}}).eval(), batch(20, unobserved=True)
    widths = {task: found.auxiliary["imputation"].shape[1] for task, found in model.task_rows(rows).items()}
    assert widths == {"watch_time": model.head.num_statistics, "skip": 1}
    model.losses(rows)["watch_time"].backward()
    gradients = gradients_of(model.auxiliary["watch_time"]["imputation"])
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize(
    ("kind", "has_second"), [("naive", False), ("dr", False), ("esmm", False), ("escm2_dr", False), ("dr_jl", True)]
)
def test_a_second_encoder_is_built_where_a_tower_reads_it(
    kind: str, has_second: bool, ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model = ranker(recipe_of(kind)).eval()
    assert (model.second_encoder is not None) == has_second
    if has_second:
        model.losses(batch(20, unobserved=True))["skip"].backward()
        (table,) = [g for g in gradients_of(model.second_encoder) if g is not None]
        assert table.coalesce().values().abs().sum() > 0


@pytest.mark.parametrize(
    ("kind", "reaches"), [("esmm", True), ("escm2_ips", True), ("ips_v2", False), ("dt_ips", False)]
)
def test_exposure_trains_the_tasks_encoder_only_where_it_is_shared(
    kind: str, reaches: bool, ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model, rows = ranker(recipe_of(kind)).eval(), batch(20, unobserved=True)
    encoded, second_BE = model.encoder(rows), model._second(rows)
    exposure_B = model.auxiliary["skip"](encoded.flat_BE, second_BE)["exposure"]
    (gradient,) = torch.autograd.grad(exposure_B.sum(), [encoded.flat_BE], allow_unused=True)
    assert (gradient is not None) == reaches


def test_pda_serves_what_its_tower_forecasts(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    rows = batch(9)
    plain, forecast = ranker(recipe_of("pd")).eval(), ranker(recipe_of("pda")).eval()
    with torch.no_grad():
        raw = forecast(rows)
        tower_B = forecast.auxiliary["skip"](forecast.encoder(rows).flat_BE, forecast._second(rows))["popularity"]
    expected_B = torch.sigmoid(raw["skip"][:, 0] + torch.nn.functional.logsigmoid(tower_B))
    torch.testing.assert_close(forecast.predict(rows).probability["skip"], expected_B)
    torch.testing.assert_close(plain.predict(rows).probability["skip"], torch.sigmoid(plain(rows)["skip"][:, 0]))
