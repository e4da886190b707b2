"""Corrections of few dimensions: doubly robust within the levels of a field, on the six cells of `test_double_robustness_of_heads`.

The field is the duration, which two cells share. Nothing below is a matter of chance.

Shape legend: C cells, G levels, O outputs of a head, S statistics of a label.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.batch import Batch
from models.objectives.base import TaskRows
from models.ranker import Ranker
from models.recipe import Recipe
from models.schema import InputSchema
from tests.models.objectives.conftest import build_objective, settle
from tests.models.objectives.test_double_robustness_of_heads import (
    EVERY_HEAD,
    LEARNED,
    RIGHT_P,
    SCHEMA,
    WRONG_P,
    Problem,
    frozen,
    gradient,
    learned,
    problem,
)

SMALLER = {"cwm": 0.1}
"""Head -> factor of its wrong imputation: what it says of incomplete plays must not exceed their share."""
WRONG_C = WRONG_P["too small and too large"]


def strata(cells: Problem, kind: str) -> Any:
    """Return an objective that corrects by duration."""
    objective = build_objective(kind, fields=["duration"])
    objective.bind(SCHEMA, cells.head.num_statistics, cells.head.num_outputs)
    return objective


def relative(found: Tensor, true: Tensor) -> float:
    return ((found - true).norm() / true.norm()).item()


def of_shared_outputs(cells: Problem, raw_CS: Tensor, propensity_C: Tensor) -> float:
    """Return how far the gradient of TMLE is from that of the risk, for outputs that cells of one duration share."""
    objective, out_GO = strata(cells, "tmle"), cells.random(cells.head.num_outputs, seed=3)[:3]

    def rows(out_GO: Tensor) -> TaskRows:
        return cells.rows(out_GO.repeat_interleave(2, 0), raw_CS, propensity_C)

    settle(objective, rows(out_GO))
    true_GO = gradient(lambda out_GO: cells.risk(out_GO.repeat_interleave(2, 0)), out_GO)
    return relative(gradient(lambda out_GO: objective.risk(rows(out_GO)), out_GO), true_GO)


@pytest.mark.parametrize("head", EVERY_HEAD)
def test_targeted_learning_is_doubly_robust_within_strata(head: str) -> None:
    cells = problem(head)
    wrong_CS = SMALLER.get(head, 1.0) * frozen(cells)
    assert of_shared_outputs(cells, wrong_CS, RIGHT_P) < 1e-3
    assert of_shared_outputs(cells, learned(head), WRONG_C) < LEARNED
    assert of_shared_outputs(cells, wrong_CS, WRONG_C) > 5 * LEARNED


def of_offsets(cells: Problem, raw_CS: Tensor, propensity_C: Tensor) -> float:
    """Return how far the gradient of the offsets of DR-residual is from that of the risk, at offsets that are not the best."""
    objective, out_CO = strata(cells, "dr_residual"), cells.random(cells.head.num_outputs, seed=3)
    offset_GO = cells.random(cells.head.num_outputs, seed=4)[:3]
    objective.correction.offset_LW.data[1:] = offset_GO
    rows = cells.rows(out_CO, raw_CS, propensity_C)
    (found_LO,) = torch.autograd.grad(objective(rows), [objective.correction.offset_LW])
    true_GO = gradient(lambda offset_GO: cells.risk(out_CO + offset_GO.repeat_interleave(2, 0)), offset_GO)
    torch.testing.assert_close(found_LO[0], found_LO[1:].sum(dim=0), rtol=1e-3, atol=1e-6)
    return relative(found_LO[1:], true_GO)


@pytest.mark.parametrize("head", EVERY_HEAD)
def test_offsets_are_corrected_doubly_robustly(head: str) -> None:
    cells = problem(head)
    assert of_offsets(cells, frozen(cells), RIGHT_P) < 1e-4
    assert of_offsets(cells, learned(head), WRONG_C) < LEARNED
    assert of_offsets(cells, frozen(cells), WRONG_C) > 10 * LEARNED


def test_beside_the_offsets_the_network_learns_as_under_naive() -> None:
    cells = problem("tr_log")
    objective, out_CO = strata(cells, "dr_residual"), cells.random(1, seed=3)
    objective.correction.offset_LW.data += 0.7

    def loss(chosen: Any) -> Callable[[Tensor], Tensor]:
        return lambda out_CO: chosen(cells.rows(out_CO, frozen(cells), RIGHT_P))

    torch.testing.assert_close(gradient(loss(objective), out_CO), gradient(loss(build_objective("naive")), out_CO))


@pytest.mark.parametrize("head", ["tr_log", "ordinal", "vr_mse", "tpm"])
def test_what_targeting_leaves_is_nothing_on_average(head: str) -> None:
    """sum_O (label - m*) / p = 0 in every stratum, under canonical links and others, and not before."""
    cells = problem(head)
    objective, rows = strata(cells, "tmle"), cells.rows(cells.random(cells.head.num_outputs, 3), frozen(cells), WRONG_C)
    before_GS = left(objective, rows)
    settle(objective, rows)
    assert left(objective, rows).abs().max() < 2e-5 < 0.01 < before_GS.abs().max()


def left(objective: Any, rows: TaskRows) -> Tensor:
    assert rows.level_of is not None
    weight_B = rows.weight_B * objective.weights.observed_inverse(rows, rows.propensity_B)
    gap_BS = rows.statistics_for(rows.label_B) - rows.expected_statistics(objective.pseudo_label(rows))
    left_GS = torch.zeros(3, gap_BS.shape[1]).index_add(0, rows.level_of("duration"), weight_B.unsqueeze(1) * gap_BS)
    return left_GS.detach()


def test_adjacent_levels_of_a_bucket_are_joined_and_the_unknown_stays() -> None:
    objective = build_objective("tmle", fields=["scene", "bucket"], levels=3)
    objective.bind(InputSchema(fields=(("scene", 4), ("bucket", 8))), 1, 1)
    offsets = objective.fluctuation
    offsets.offset_LW.data = torch.tensor([100.0, 0, 1, 2, 3, 0, 10, 20, 30]).unsqueeze(1)
    code = {"scene": torch.arange(4).repeat(2), "bucket": torch.arange(8)}
    expected_B = 100 + torch.tensor([0, 1, 2, 3, 0, 1, 2, 3.0]) + torch.tensor([0, 10, 10, 10, 20, 20, 30, 30.0])
    assert offsets(code.__getitem__)[:, 0].tolist() == expected_B.tolist()
    every = build_objective("tmle", fields=["bucket"], levels=None)
    every.bind(InputSchema(fields=(("bucket", 8),)), 1, 1)
    assert every.fluctuation.offset_LW.shape == (9, 1)


def test_early_stopping_looks_at_the_naive_loss_of_the_network() -> None:
    cells, out_CO = problem("tr_log"), problem("tr_log").random(1, seed=3)
    objective, rows = strata(cells, "dr_residual"), cells.rows(out_CO, frozen(cells), RIGHT_P)
    assert objective.eval()(rows) == build_objective("naive")(rows) != objective.train()(rows)


RECIPE: dict[str, Any] = {"head": {"kind": "tr_log"}, "selection": {"kind": "click"}}


def test_an_offset_is_served_where_it_was_learned(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    rows = batch(9, unobserved=True)
    model = ranker({**RECIPE, "objective": {"kind": "dr_residual", "fields": ["scene"]}}).eval()
    before_B = model.predict(rows).score_B
    offset_L = torch.tensor([0.5, 0.0, 1.0, -2.0])
    model.objectives["watch_time"].correction.offset_LW.data = offset_L.unsqueeze(1)
    scene_B = rows.ids_BF[:, 2] - model.schema.offsets[2]
    moved_B = (model.predict(rows).score_B - before_B) / (0.5 + offset_L[1:][scene_B])
    assert set(scene_B.tolist()) == {0, 1, 2} and moved_B[0] > 0
    torch.testing.assert_close(moved_B, moved_B[:1].expand(9), rtol=1e-4, atol=0)


@pytest.mark.parametrize("kind", ["tmle", "dce_dr", "dr_residual"])
def test_fields_that_cannot_be_read_are_refused(
    kind: str, ranker: Callable[..., Ranker], task_rows: Callable[..., Any]
) -> None:
    objective = {"kind": kind, "fields": ["scene"]}
    with pytest.raises(
        ValueError, match=r"fields names 'hour', which is no categorical field of the table; it has \['scene'"
    ):
        ranker({**RECIPE, "objective": {**objective, "fields": ["hour"]}})
    with pytest.raises(ValueError, match=f"objective {kind!r} reads scene, which set_apart keeps from it"):
        Recipe.model_validate({**RECIPE, "objective": objective, "set_apart": ["scene"]})
    rows = task_rows(torch.zeros(2), torch.ones(2), auxiliary={"imputation": torch.zeros(2)})
    alone = build_objective(kind, fields=["scene"])
    alone.bind(InputSchema(fields=(("scene", 3),)), 1, 1)
    with pytest.raises(ValueError, match="fields names scene, and these rows have no fields: leave it out"):
        alone(rows)


def cdr_rows(draw_KB: Tensor, out_B: Tensor, propensity_B: Tensor, task_rows: Callable[..., Any]) -> TaskRows:
    """Return ten observed rows with draws of their pseudo-label, here the label itself and no logit."""
    rows: TaskRows = task_rows(
        (out_B - 0.5).square(), torch.ones(10), propensity_B, out_BO=out_B.unsqueeze(1), label_B=torch.full((10,), 0.5),
        auxiliary={"imputation": draw_KB.mean(dim=0), "imputation_draws": draw_KB.unsqueeze(2)},
        expected_statistics=lambda raw_BS: raw_BS,
    )  # fmt: skip
    return rows


def test_cdr_leaves_out_what_is_least_certain_beside_its_distance_from_the_mean(task_rows: Callable[..., Any]) -> None:
    spread_B = torch.tensor([1.0, 1, 1, 1, 1, 1, 1, 1, 9, 4])
    mean_B = torch.tensor([-2.0, 2, -2, 2, -2, 2, -0.1, 0.1, -9, 9])
    draw_KB = torch.stack([mean_B - spread_B, mean_B + spread_B])
    rows = cdr_rows(draw_KB, torch.zeros(10), torch.ones(10), task_rows)
    kept_B = build_objective("cdr").kept(rows)
    assert kept_B.tolist() == [True] * 6 + [False, False, True, True]
    assert build_objective("cdr", left_out=0.0).kept(rows).all()
    plain_B = build_objective("dr_jl").imputed(rows)
    torch.testing.assert_close(build_objective("cdr").imputed(rows), torch.where(kept_B, plain_B, 0.0))


def test_cdr_is_right_where_p_is_and_needs_p_for_what_it_leaves_out(task_rows: Callable[..., Any]) -> None:
    """The pseudo-label of two of the six cells is uncertain."""
    cells, objective = problem("tr_log"), build_objective("cdr", left_out=0.35)
    out_CO = cells.random(1, seed=3)
    true_CO = gradient(cells.risk, out_CO)
    unsure_CS = torch.tensor([0.0, 5, 0, 0, 5, 0]).unsqueeze(1)
    for raw_CS, propensity_C, is_right in ((frozen(cells), RIGHT_P, True), (learned("tr_log"), WRONG_C, False)):

        def risk(out_CO: Tensor, raw_CS: Tensor = raw_CS, propensity_C: Tensor = propensity_C) -> Tensor:
            rows = cells.rows(out_CO, raw_CS, propensity_C)
            low_BS, high_BS = (
                cells.rows(out_CO, raw_CS + d, propensity_C).auxiliary["imputation"] for d in (-unsure_CS, unsure_CS)
            )
            drawn = {**rows.auxiliary, "imputation_draws": torch.stack([low_BS, high_BS])}
            found: Tensor = objective.risk(replace(rows, auxiliary=drawn))
            return found

        wrong_C = (gradient(risk, out_CO) - true_CO).abs()[:, 0] / true_CO.norm()
        assert (
            (wrong_C < 1e-2).all()
            if is_right
            else (wrong_C > 0.03).tolist() == [False, True, False, False, True, False]
        )


def test_draws_are_parts_of_the_tower(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    """Half of the hidden units each, the same for every row and in every step; their mean is near the whole."""
    model, rows = ranker({**RECIPE, "objective": {"kind": "cdr"}}).eval(), batch(9, unobserved=True)
    first, second = (model.task_rows(rows)["watch_time"].auxiliary for _ in range(2))
    draws_KBS = first["imputation_draws"]
    assert draws_KBS.shape == (10, 9, 1) and not draws_KBS.requires_grad
    assert torch.equal(draws_KBS, second["imputation_draws"])
    masks_KH = model.auxiliary["watch_time"]["imputation"].masks_KH
    assert (masks_KH.mean(dim=1) == 1).all() and set(masks_KH.unique().tolist()) == {0.0, 2.0}
    spread = draws_KBS.std(dim=0)
    assert (spread > 0).all() and ((draws_KBS.mean(dim=0) - first["imputation"]).abs() < 2 * spread).all()


def test_calibration_on_held_out_users_takes_the_error_out_of_both_models(task_rows: Callable[..., Any]) -> None:
    """p and m are twice as sure as they may be, in two groups off by other amounts: the ECE of both falls on fresh users."""
    g = torch.Generator().manual_seed(0)
    count = 40_000
    group_B = torch.randint(2, (count,), generator=g)
    logit_B, p_logit_B = torch.randn(2, count, generator=g)
    label_B, observed_B = ((torch.rand(count, generator=g) < torch.sigmoid(x)).float() for x in (logit_B, p_logit_B))
    shift_B = torch.tensor([0.8, -0.5])[group_B]
    rows = task_rows(
        torch.zeros(count), observed_B, torch.sigmoid(2 * p_logit_B + shift_B), label_B=label_B,
        auxiliary={"imputation": 2 * logit_B + shift_B}, level_of=lambda field: group_B,
        statistics_loss=lambda raw_BS, label_B: torch.nn.functional.binary_cross_entropy_with_logits(
            raw_BS[:, 0], label_B, reduction="none"
        ),
    )  # fmt: skip
    objective = build_objective("dce_dr", fields=["group"])
    objective.bind(InputSchema(fields=(("group", 2),)), 1, 1)

    def errors() -> list[float]:
        pairs = (
            (torch.sigmoid(objective.pseudo_label(rows)[:, 0]), label_B),
            (objective.propensity(rows), observed_B),
        )
        return [
            calibration_error(found_B.detach()[group_B == k], true_B[group_B == k])
            for found_B, true_B in pairs
            for k in (0, 1)
        ]

    before = errors()
    settle(objective, rows)
    assert max(errors()) < 0.02 < 0.1 < min(before)


def calibration_error(probability_B: Tensor, label_B: Tensor) -> float:
    """Return the expected calibration error over 15 equal bins."""
    bin_B = (15 * probability_B).long().clamp(max=14)
    gap = torch.zeros(15).index_add(0, bin_B, probability_B - label_B)
    return (gap.abs().sum() / len(label_B)).item()
