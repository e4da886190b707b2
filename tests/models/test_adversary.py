"""The adversary's gradient by hand, and what it does to a representation that holds the duration."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from models.adversary import AdversaryConfig, DurationAdversary, fit_durations
from models.batch import Batch
from models.ranker import Ranker

DURATION_B = torch.tensor([5.0, 20.0, 60.0])
STATE = {"center": np.float32(3.0), "spread": np.float32(0.5)}


def test_value_nought_own_gradient_and_the_reverse_of_what_it_reads() -> None:
    torch.manual_seed(0)
    adversary = DurationAdversary(AdversaryConfig(weight=0.3, hidden=(4,)), width=2, state=STATE)
    h_BH = torch.randn(3, 2, requires_grad=True)
    value = adversary(h_BH, DURATION_B)
    value.backward()
    assert value == 0
    read, own = h_BH.grad, [parameter.grad.clone() for parameter in adversary.parameters()]
    adversary.zero_grad()
    plain_BH = h_BH.detach().requires_grad_()
    guess_B = adversary.tower(plain_BH)[:, 0]
    (guess_B - (torch.log(1 + DURATION_B) - 3) / 0.5).square().mean().backward()
    torch.testing.assert_close(read, -0.3 * plain_BH.grad)
    for found, parameter in zip(own, adversary.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad)


def test_durations_are_standardised_by_those_of_the_train_rows() -> None:
    state = fit_durations(np.expm1([2.0, 3.0, 4.0]))
    assert state["center"] == pytest.approx(3)
    assert state["spread"] == pytest.approx(np.sqrt(2 / 3))
    assert fit_durations(np.full(9, 30.0))["spread"] > 0


def test_explained_is_the_share_of_variance() -> None:
    adversary = DurationAdversary(AdversaryConfig(hidden=()), width=1, state=STATE)
    with torch.no_grad():
        adversary.tower.output.weight.fill_(1.0)
        adversary.tower.output.bias.zero_()
    h_BH = (torch.log1p(DURATION_B)[:, None] - 3) / 0.5
    assert adversary.explained(h_BH, DURATION_B) == pytest.approx(1)
    assert adversary.explained(h_BH.mean().expand(3, 1), DURATION_B) == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_a_narrow_representation_gives_the_duration_up() -> None:
    """Of label = taste + .7 log duration a representation of width 1 keeps both, or against the adversary the taste."""
    generator = torch.Generator().manual_seed(0)
    taste_B, log_B = torch.randn(2, 2000, generator=generator)
    duration_B, input_BE = torch.expm1(3 + 0.5 * log_B), torch.stack([taste_B, log_B], dim=1)
    label_B = taste_B + 0.7 * log_B

    def known(weight: float) -> tuple[float, float]:
        torch.manual_seed(1)
        encoder, tower = nn.Linear(2, 1), nn.Linear(1, 1)
        adversary = DurationAdversary(AdversaryConfig(weight=weight, hidden=(16,)), width=1, state=STATE)
        parts = [*encoder.parameters(), *tower.parameters(), *adversary.parameters()]
        optimizer = torch.optim.Adam(parts, lr=0.01)
        for _ in range(800):
            optimizer.zero_grad()
            h_BH = encoder(input_BE)
            error = (tower(h_BH)[:, 0] - label_B).square().mean()
            (error + adversary(h_BH, duration_B)).backward()
            optimizer.step()
        return adversary.explained(encoder(input_BE), duration_B), float(error)

    without, exact = known(1e-9)
    against, error = known(20.0)
    assert without == pytest.approx(0.49 / 1.49, abs=0.05)
    assert exact < 0.01
    assert against < 0.05
    assert error > 0.2


def test_a_ranker_has_one_for_every_head_and_serves_without(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    recipe = {
        "head": {"kind": "wtg"},
        "further_heads": {"d2q": {"head": {"kind": "d2q"}}},
        "tasks": {"watch_time": {}, "skip": {}},
    }
    plain, against = ranker(recipe), ranker(recipe | {"adversary": {"weight": 0.5}})
    rows = batch(32, seed=4)
    assert [task for task, _ in against.adversaries.items()] == ["watch_time", "watch_time_d2q"]
    against.eval(), plain.eval()
    assert torch.equal(against.predict(rows).score_B, plain.predict(rows).score_B)
    assert against.losses(rows) == plain.losses(rows)
    against.train()
    sum(against.losses(rows).values()).backward()
    assert all(parameter.grad is not None for parameter in against.adversaries.parameters())
    assert set(against.diagnostics(rows)) - set(plain.diagnostics(rows)) == {
        "watch_time/duration_r2",
        "watch_time_d2q/duration_r2",
    }
