"""MMoE against the formula, and its diagnostics."""

import math

import pytest
import torch

from models.encoders.base import Encoded, EncodedShape
from models.trunks.mmoe import MMoE, MMoEConfig

TASKS = ("watch_time", "skip")


@pytest.fixture
def encoded() -> Encoded:
    flat_BE = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    return Encoded(flat_BE.unsqueeze(1), flat_BE)


@pytest.fixture
def trunk() -> MMoE:
    torch.manual_seed(0)
    return MMoE(MMoEConfig(num_experts=3, hidden=(5,)), EncodedShape(1, 4, 4), TASKS).eval()


def test_mixture_by_hand(trunk: MMoE, encoded: Encoded) -> None:
    x = encoded.flat_BE
    h = trunk(encoded)
    for task in TASKS:
        logit = x @ trunk.gates[task].weight.T
        for row in range(len(x)):
            weight = [math.exp(v) for v in logit[row].tolist()]
            expected = torch.zeros(5)
            for e, expert in enumerate(trunk.experts):
                expected += weight[e] / sum(weight) * torch.relu(expert[0].weight @ x[row] + expert[0].bias)
            torch.testing.assert_close(h[task][row], expected)


def test_even_gates_have_the_largest_entropy(trunk: MMoE, encoded: Encoded) -> None:
    for gate in trunk.gates.values():
        torch.nn.init.zeros_(gate.weight)
    numbers = trunk.diagnostics(encoded)
    assert numbers["gate_entropy/skip"] == pytest.approx(math.log(3))
    assert numbers["dead_experts"] == 0


def test_an_expert_that_no_task_uses_is_dead(trunk: MMoE) -> None:
    ones_BE = torch.ones(6, 4)
    for gate in trunk.gates.values():
        torch.nn.init.zeros_(gate.weight)
        with torch.no_grad():
            gate.weight[1] = -5.0
    assert trunk.diagnostics(Encoded(ones_BE.unsqueeze(1), ones_BE))["dead_experts"] == 1


def test_gates_belong_to_their_tasks(trunk: MMoE) -> None:
    shared = {id(parameter) for parameter in trunk.shared_parameters()}
    assert not shared & {id(gate.weight) for gate in trunk.gates.values()}
    assert len(shared) == 3 * 2
