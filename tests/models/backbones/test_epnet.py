"""EPNet: nothing at the start, the formula later, and who teaches whom."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from models.backbones.epnet import EpNet, EpNetConfig
from models.encoders.base import Encoded, EncodedShape
from models.ranker import Ranker

DOMAIN = 2


@pytest.fixture
def model(shape: EncodedShape) -> EpNet:
    """Return a backbone whose gates have moved."""
    torch.manual_seed(0)
    built = EpNet(EpNetConfig(domain="video_id", gate=6), shape).double()
    torch.nn.init.normal_(built.gate.output.weight)
    return built


def test_it_starts_as_the_identity(shape: EncodedShape, encoding: Callable[..., Encoded]) -> None:
    rows = encoding()
    found = EpNet(EpNetConfig(), shape).double()(rows)
    torch.testing.assert_close(found.flat_BE, rows.flat_BE, rtol=0, atol=1e-7)
    torch.testing.assert_close(found.fields_BFD, rows.fields_BFD, rtol=0, atol=1e-7)


def test_by_hand(model: EpNet, encoding: Callable[..., Encoded]) -> None:
    rows = encoding()
    found = model(rows)
    for row in range(5):
        e_X = rows.fields_BFD[row].flatten()
        scaled_X = model.gate(torch.cat([rows.fields_BFD[row, DOMAIN], e_X])) * e_X
        torch.testing.assert_close(found.flat_BE[row], torch.cat([scaled_X, rows.flat_BE[row, 12:]]))
    assert torch.equal(found.fields_BFD.flatten(start_dim=1), found.flat_BE[:, :12])


def test_gates_teach_the_domain_alone(model: EpNet, encoding: Callable[..., Encoded]) -> None:
    """What a gate does to a field's gradient is to scale it; only the domain's embedding learns from how gates move."""
    rows = encoding()
    flat_BE = rows.flat_BE.clone().requires_grad_()
    fields_BFD = flat_BE[:, :12].unflatten(1, (4, 3))
    read = replace(rows, fields_BFD=fields_BFD, flat_BE=flat_BE)
    (gradient_BE,) = torch.autograd.grad(model(read).flat_BE.sum(), flat_BE)
    gradient_BFD = gradient_BE[:, :12].unflatten(1, (4, 3))
    others = [0, 1, 3]
    torch.testing.assert_close(gradient_BFD[:, others], model.gates(rows)[:, others])
    assert ((gradient_BFD - model.gates(rows))[:, DOMAIN].abs() > 1e-6).all()


def test_what_the_gates_do_can_be_looked_at(model: EpNet, encoding: Callable[..., Encoded]) -> None:
    rows = encoding()
    seen, gate_BFD = model.inspect(rows), model.gates(rows)
    for field in range(4):
        values = gate_BFD[:, field].detach().numpy()
        assert float(seen["gate_mean"][field]) == pytest.approx(values.mean())
        assert float(seen["gate_sd"][field]) == pytest.approx(values.std())


def test_a_domain_that_is_no_field_is_refused(ranker: Callable[..., Ranker]) -> None:
    said = r"backbone 'epnet' \(domain\) names the field 'scenes'.*name one of user_id, video_id, scene, or encode it"
    with pytest.raises(ValueError, match=said):
        ranker({"backbone": {"kind": "epnet", "domain": "scenes"}})
    with pytest.raises(ValueError, match="backbone 'epnet' reads scene, which set_apart keeps from it"):
        ranker({"backbone": {"kind": "epnet"}, "set_apart": ["scene"]})
