import numpy as np
import pytest
import torch

from benchmarks.pairs.models import SCORERS
from benchmarks.pairs.models.base import PairInputs, Scorer

INPUTS = PairInputs(
    num_users=7,
    num_items=5,
    user_UF=torch.from_numpy(np.random.default_rng(0).random((7, 3))).float(),
    item_IG=torch.from_numpy(np.random.default_rng(1).random((5, 2))).float(),
    offset=0.4,
)
USER_B, ITEM_B = torch.tensor([0, 3, 6, 3]), torch.tensor([4, 0, 2, 0])


def scorer(kind: str, **options: object) -> Scorer:
    torch.manual_seed(0)
    component = SCORERS[kind]
    return component(component.Config.model_validate({"kind": kind, **options}), INPUTS)


@pytest.mark.parametrize("kind", SCORERS)
def test_every_scorer_gives_a_logit_and_its_encoding(kind: str) -> None:
    model = scorer(kind)
    logit_B, encoded_BE = model(USER_B, ITEM_B)
    assert logit_B.shape == (4,)
    assert encoded_BE.shape == (4, model.width)
    assert torch.equal(logit_B[1], logit_B[3])
    logit_B.sum().backward()
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_additive_starts_at_the_offset_and_only_that_is_free_of_decay() -> None:
    model = scorer("additive")
    assert torch.allclose(model(USER_B, ITEM_B)[0], torch.full((4,), 0.4))
    assert [p.numel() for p in model.undecayed_parameters()] == [1]


def test_plain_mf_is_the_dot_product() -> None:
    model = scorer("mf", biases=False, embedding_dim=3, init_sd=1.0)
    logit_B, encoded_BE = model(USER_B, ITEM_B)
    user_BK, item_BK, product_BK = encoded_BE.split(3, dim=1)
    assert torch.allclose(logit_B, (user_BK * item_BK).sum(dim=1))
    assert torch.allclose(product_BK, user_BK * item_BK)
    assert model.undecayed_parameters() == []


def test_mf_starts_near_the_offset() -> None:
    logit_B = scorer("mf")(USER_B, ITEM_B)[0]
    assert (logit_B - 0.4).abs().max() < 0.2


def test_crosses_are_the_scaled_products_of_features() -> None:
    model = scorer("crosses", cross_scale=0.5, taste_scale=2.0, audience_scale=3.0)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    state = {name: value.double() for name, value in model.state_dict().items()}
    user_BF, item_BG = INPUTS.user_UF[USER_B].double(), INPUTS.item_IG[ITEM_B].double()
    expected_B = (
        state["ids.offset"]
        + state["ids.user_bias.weight"][USER_B, 0]
        + state["ids.item_bias.weight"][ITEM_B, 0]
        + user_BF @ state["user_weight_F"]
        + item_BG @ state["item_weight_G"]
        + 0.5 * torch.einsum("bf,fg,bg->b", user_BF, state["cross_FG"], item_BG)
        + 2.0 * (state["taste.weight"][USER_B] * item_BG).sum(dim=1)
        + 3.0 * (state["audience.weight"][ITEM_B] * user_BF).sum(dim=1)
    )
    assert torch.allclose(model(USER_B, ITEM_B)[0].double(), expected_B, atol=1e-5)


def test_crosses_need_features() -> None:
    empty = PairInputs(7, 5, torch.zeros(7, 0), torch.zeros(5, 0))
    with pytest.raises(ValueError, match="needs user or item features"):
        SCORERS["crosses"](SCORERS["crosses"].Config(kind="crosses"), empty)
