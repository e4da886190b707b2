"""Trunks that know the chain not skipped -> valid -> long -> finish."""

import math

import pytest
import torch

from models.encoders.base import Encoded, EncodedShape
from models.trunks.aitm import Aitm, AitmConfig
from models.trunks.chain import chain_of
from models.trunks.esmm_chain import EsmmChain, EsmmChainConfig

TASKS = ("watch_time", "skip", "valid_play", "long_view", "like")
SHAPE = EncodedShape(1, 4, 4)


@pytest.fixture
def encoded() -> Encoded:
    flat_BE = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    return Encoded(flat_BE.unsqueeze(1), flat_BE)


def test_the_chain_keeps_its_order() -> None:
    assert chain_of(("finish", "like", "skip", "long_view")) == ("skip", "long_view", "finish")


def test_products_along_the_chain() -> None:
    trunk = EsmmChain(EsmmChainConfig(hidden=(5,)), SHAPE, TASKS)
    raw = {task: torch.randn(8, 1, generator=torch.Generator().manual_seed(i)) for i, task in enumerate(TASKS)}
    coupled = trunk.couple(raw)
    stayed = 1 - torch.sigmoid(raw["skip"])
    valid = stayed * torch.sigmoid(raw["valid_play"])
    torch.testing.assert_close(torch.sigmoid(coupled["valid_play"]), valid)
    torch.testing.assert_close(torch.sigmoid(coupled["long_view"]), valid * torch.sigmoid(raw["long_view"]))
    for task in ("watch_time", "skip", "like"):
        assert torch.equal(coupled[task], raw[task])


def test_attention_by_hand(encoded: Encoded) -> None:
    torch.manual_seed(0)
    trunk = Aitm(AitmConfig(hidden=(5,)), SHAPE, TASKS).eval()
    x = encoded.flat_BE
    z = trunk(encoded)
    torch.testing.assert_close(z["skip"], trunk.own["skip"](x))
    torch.testing.assert_close(z["like"], trunk.own["like"](x))
    value, key, query = trunk.attention["valid_play"]
    p, q = trunk.passed["valid_play"](z["skip"]), trunk.own["valid_play"](x)
    score = torch.stack([(key(v) * query(v)).sum(dim=1) / math.sqrt(5) for v in (p, q)], dim=1)
    weight = torch.softmax(score, dim=1)
    torch.testing.assert_close(z["valid_play"], weight[:, :1] * value(p) + weight[:, 1:] * value(q))


def test_a_later_act_must_not_be_likelier_than_an_earlier_one() -> None:
    trunk = Aitm(AitmConfig(hidden=(5,), order_weight=2.0), SHAPE, TASKS)
    raw = {task: torch.zeros(4, 1) for task in TASKS}
    assert all(penalty == 0 for penalty in trunk.penalties(raw).values())
    raw["skip"] = torch.full((4, 1), math.log(0.8 / 0.2))
    penalties = trunk.penalties(raw)
    assert penalties["valid_play"].item() == pytest.approx(2 * (0.5 - 0.2))
    assert penalties["long_view"].item() == 0
