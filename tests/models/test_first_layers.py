"""First layers as one product against one product each, and what of the gradient is left out."""

import torch
from torch import Tensor, nn

from models.encoders.base import Encoded
from models.first_layers import first_layers
from tests.tolerance import ulps


def passed(learned: int | None, requires_grad: bool) -> tuple[list[Tensor], Tensor]:
    """Return the gradients of encoding, weights and biases, and the outputs."""
    torch.manual_seed(0)
    layers = [nn.Linear(10, 4), nn.Linear(10, 3, bias=False), nn.Linear(10, 2)]
    fields_BE, dense_BN = torch.randn(6, 7, requires_grad=True), torch.randn(6, 3, requires_grad=requires_grad)
    flat_BE = torch.cat([fields_BE, dense_BN], dim=1)
    if learned is None:
        out_BO = torch.cat([layer(flat_BE) for layer in layers], dim=1)
    else:
        out_BO = first_layers(Encoded(fields_BE.unsqueeze(1), flat_BE, constant=(flat_BE, learned)), layers)
    out_BO.square().sum().backward()
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    inputs = [fields_BE, dense_BN] if requires_grad else [fields_BE]
    return [tensor.grad for tensor in (*inputs, *parameters) if tensor.grad is not None], out_BO.detach()


def test_they_are_the_layers_side_by_side() -> None:
    for learned, requires_grad in ((7, False), (10, True)):
        found, expected = passed(learned, requires_grad), passed(None, requires_grad)
        torch.testing.assert_close(found[1], expected[1], rtol=ulps(16), atol=1e-6)
        assert len(found[0]) == len(expected[0])
        for one, other in zip(found[0], expected[0], strict=True):
            torch.testing.assert_close(one, other, rtol=ulps(64), atol=1e-6)


def test_an_encoding_that_a_backbone_replaced_is_learned_whole() -> None:
    flat_BE = torch.randn(4, 5)
    encoded = Encoded(flat_BE.unsqueeze(1), flat_BE, constant=(flat_BE, 2))
    assert encoded.num_learned == 2
    assert Encoded(flat_BE.unsqueeze(1), flat_BE.clone(), constant=encoded.constant).num_learned == 5
    assert Encoded(flat_BE.unsqueeze(1), flat_BE).num_learned == 5
