"""Integrated gradients on functions whose attributions are known, and on a ranker."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.attribution.fields import FieldLayout, FieldRows
from models.attribution.integrated_gradients import RowValue, integrated_gradients
from models.batch import Batch
from models.ranker import Ranker

LAYOUT = FieldLayout(("a", "b", "c"), torch.tensor([0, 0, 1, 2]))
X_BW = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
BASELINE_W = torch.tensor([0.3, -0.2, 0.1, 0.0])
WEIGHT_W = torch.tensor([2.0, -1.0, 0.5, 0.0])


def alike(function: Callable[[Tensor], Tensor]) -> RowValue:
    """Return a value that is the same function of every row."""
    return lambda row_R: function


def test_a_linear_value_is_attributed_exactly_in_one_step() -> None:
    found = integrated_gradients(alike(lambda x_BW: 7 + x_BW @ WEIGHT_W), X_BW, BASELINE_W, LAYOUT, 1.0, steps=1)
    torch.testing.assert_close(found.field_BF, LAYOUT.by_field(WEIGHT_W * (X_BW - BASELINE_W)))
    assert found.complete_B.all() and (found.steps_B == 1).all() and found.accepted
    assert found.mean_absolute()[2] == 0


def test_a_product_is_shared_between_its_factors() -> None:
    """Along the line from (p, q) to (x, y), x y gives x (x - p) (q + y) / 2: the midpoint rule is exact for it."""
    layout = FieldLayout(("x", "y"), torch.tensor([0, 1]))
    x_BW, start_W = X_BW[:, :2], torch.tensor([0.5, -1.0])
    found = integrated_gradients(alike(lambda at: at[:, 0] * at[:, 1]), x_BW, start_W, layout, 1.0, steps=1)
    gap_BW, sum_BW = x_BW - start_W, x_BW + start_W
    torch.testing.assert_close(found.field_BF, gap_BW * sum_BW.flip(1) / 2)


def test_a_ridge_function_splits_its_rise_by_the_weights() -> None:
    """F = g(<w, x>) gives field j the share w_j (x_j - m_j) / <w, x - m> of its rise, whatever g is."""
    found = integrated_gradients(
        alike(lambda x_BW: torch.exp(x_BW @ WEIGHT_W)), X_BW, BASELINE_W, LAYOUT, 0.0, steps=50
    )
    share_BF = LAYOUT.by_field(WEIGHT_W * (X_BW - BASELINE_W)) / ((X_BW - BASELINE_W) @ WEIGHT_W).unsqueeze(1)
    rise_B = torch.exp(X_BW @ WEIGHT_W) - torch.exp(BASELINE_W @ WEIGHT_W)
    torch.testing.assert_close(found.field_BF, share_BF * rise_B.unsqueeze(1), rtol=0.02, atol=1e-4)


def test_only_rows_that_fall_short_get_more_steps() -> None:
    """A kink at another place of every row's way: 50 points suffice for some, others are taken again."""
    kinked = alike(lambda x_BW: torch.relu(40 * x_BW[:, 0] - 3) + x_BW[:, 2])
    found = integrated_gradients(kinked, X_BW, BASELINE_W, LAYOUT, 0.01)
    assert set(found.steps_B.tolist()) > {50} and found.steps_B.max() <= 400
    few = integrated_gradients(kinked, X_BW, BASELINE_W, LAYOUT, 0.01, steps=400)
    again_B = found.steps_B == 400
    torch.testing.assert_close(found.field_BF[again_B], few.field_BF[again_B])
    assert found.complete_share > 0.5


def test_a_flat_step_count_fails_rows_that_doubling_completes() -> None:
    """The wrong twin: 50 steps for every row, as a rule without doubling has it."""
    kinked = alike(lambda x_BW: torch.relu(40 * x_BW[:, 0] - 3) + x_BW[:, 2])
    found = integrated_gradients(kinked, X_BW, BASELINE_W, LAYOUT, 0.01)
    after_fifty_B = found.steps_B == 50
    assert after_fifty_B.double().mean() < found.complete_share


def test_a_value_in_steps_is_not_accepted() -> None:
    """Its gradient is 0 wherever there is one, so the way to a row misses every jump."""
    stairs = alike(lambda x_BW: torch.floor(4 * x_BW[:, 0]) + 0 * x_BW.sum(dim=1))
    found = integrated_gradients(stairs, X_BW, BASELINE_W, LAYOUT, 1.0)
    assert not found.accepted and (found.field_BF == 0).all()
    assert torch.equal(found.complete_B, found.value_B == found.baseline_B)
    assert (found.steps_B[~found.complete_B] == 400).all()


def test_a_value_that_is_no_number_is_not_complete() -> None:
    found = integrated_gradients(alike(lambda x_BW: x_BW[:, 0] * torch.nan), X_BW, BASELINE_W, LAYOUT, 1.0)
    assert not found.complete_B.any() and found.mean_absolute().isnan().all()


@pytest.mark.parametrize("head", ["wlr", "cread", "tr_log", "d2q"])
def test_the_seconds_of_a_ranker_are_attributed_completely(
    head: str, ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model = ranker({"head": {"kind": head}, "encoder": {"kind": "packed", "history": {"kind": "attention"}}}).eval()
    with torch.no_grad():  # an unfitted table is all but constant
        model.encoder.table.weight.mul_(100)
    rows = FieldRows.of(model, batch(60), {})
    found = integrated_gradients(rows.seconds_at, rows.x_BW, rows.mean(), rows.layout, 15.0)
    assert found.accepted
    assert found.field_BF.abs().max() > 0.1
    torch.testing.assert_close(found.value_B, rows.seconds(rows.x_BW)[1].detach())


def test_fields_that_matter_move_the_prediction_most_when_they_go(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    """Deletion: the row's own two largest fields set to the mean, against two others."""
    model = ranker({"head": {"kind": "wlr"}}).eval()
    with torch.no_grad():
        model.encoder.table.weight.mul_(100)
    rows = FieldRows.of(model, batch(200), {})
    found = integrated_gradients(rows.seconds_at, rows.x_BW, rows.mean(), rows.layout, 15.0)
    order_BF = found.field_BF.abs().argsort(dim=1, descending=True)

    def moved(gone_BF: Tensor) -> float:
        gone_BW = (rows.layout.field_W[None, None] == gone_BF.unsqueeze(2)).any(dim=1)
        without_B = rows.seconds(torch.where(gone_BW, rows.mean(), rows.x_BW))[1].detach()
        return float((without_B - found.value_B).abs().mean())

    generator = torch.Generator().manual_seed(0)
    chance_BF = torch.stack([torch.randperm(5, generator=generator)[:2] for _ in range(200)])
    assert moved(order_BF[:, :2]) > 1.3 * moved(chance_BF) > 1.3 * moved(order_BF[:, -2:])


def test_other_weights_give_other_attributions(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    """Randomisation: what says the same of a network that was drawn anew says nothing of the network."""
    model = ranker({"head": {"kind": "wlr"}}).eval()
    found = []
    for seed in range(2):
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.5)
        rows = FieldRows.of(model, batch(60), {})
        found.append(integrated_gradients(rows.seconds_at, rows.x_BW, rows.mean(), rows.layout, 15.0).field_BF)
    both = torch.stack([one.flatten() for one in found])
    assert abs(torch.corrcoef(both)[0, 1]) < 0.3
