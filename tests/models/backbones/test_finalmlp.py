"""FinalMLP against loops."""

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.backbones.finalmlp import FinalMlp, FinalMlpConfig
from models.encoders.base import Encoded, EncodedShape


@pytest.fixture
def model(shape: EncodedShape) -> FinalMlp:
    torch.manual_seed(0)
    return FinalMlp(FinalMlpConfig(first=(6, 4), second=(8,), gate=3, num_heads=2), shape).double().eval()


def numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def stream_by_hand(gate: torch.nn.Sequential, stream: torch.nn.Sequential, x: np.ndarray) -> np.ndarray:
    hidden = np.maximum(numbers(gate[0].weight) @ x + numbers(gate[0].bias), 0)
    h = x * 2 / (1 + np.exp(-(numbers(gate[2].weight) @ hidden + numbers(gate[2].bias))))
    for layer in (part for part in stream if isinstance(part, torch.nn.Linear)):
        h = np.maximum(numbers(layer.weight) @ h + numbers(layer.bias), 0)
    return h


def test_streams_and_fusion_by_hand(model: FinalMlp, encoding: Callable[..., Encoded]) -> None:
    rows = encoding()
    found, form = numbers(model(rows).flat_BE), numbers(model.form_KPQ)
    for row, x in enumerate(rows.flat_BE.numpy()):
        first, second = (stream_by_hand(g, s, x) for g, s in zip(model.gates, model.streams, strict=True))
        fused = [first[2 * k : 2 * k + 2] @ form[k] @ second[4 * k : 4 * k + 4] for k in range(2)]
        np.testing.assert_allclose(found[row], np.concatenate([first, second, fused, x]), rtol=1e-9, atol=1e-12)


def test_gates_of_zeros_pass_the_encoding_as_it_is(model: FinalMlp, encoding: Callable[..., Encoded]) -> None:
    rows = encoding()
    for gate in model.gates:
        for parameter in gate.parameters():
            torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(model(rows).flat_BE[:, :4], model.streams[0](rows.flat_BE))


def test_heads_must_divide_the_streams() -> None:
    with pytest.raises(ValueError, match=re.escape("num_heads 8 does not divide the last width 20")):
        FinalMlpConfig(second=(20,))
