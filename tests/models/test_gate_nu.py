"""The gate of PEPNet by hand, at its start and at its limits."""

import numpy as np
import torch

from models.gate_nu import GateNu


def moved(in_width: int, hidden: int, out_width: int) -> GateNu:
    """Return a gate that has learned something."""
    torch.manual_seed(0)
    gate = GateNu(in_width, hidden, out_width).double()
    torch.nn.init.normal_(gate.output.weight)
    torch.nn.init.normal_(gate.output.bias)
    return gate


def test_every_gate_starts_at_one() -> None:
    torch.manual_seed(0)
    assert torch.equal(GateNu(3, 4, 5)(torch.randn(7, 3)), torch.ones(7, 5))


def test_by_hand() -> None:
    gate, x_BX = moved(3, 4, 2), torch.randn(6, 3).double()
    for x, found in zip(x_BX.numpy(), gate(x_BX).detach().numpy(), strict=True):
        w_1, b_1, w_2, b_2 = (parameter.detach().numpy() for parameter in gate.parameters())
        logit = w_2 @ np.maximum(w_1 @ x + b_1, 0) + b_2
        np.testing.assert_allclose(found, 2 / (1 + np.exp(-logit)))


def test_gates_lie_between_nothing_and_double() -> None:
    gate = moved(3, 4, 50)(3 * torch.randn(200, 3).double())
    assert ((gate > 0) & (gate < 2)).all()
    assert gate.min() < 0.1 and gate.max() > 1.9
