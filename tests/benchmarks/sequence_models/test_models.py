from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from benchmarks.sequence.models import SEQUENCE_MODELS, SequenceConfig
from benchmarks.sequence.models.base import Encoded, Places, SequenceBatch, SequenceModel
from tests.benchmarks.sequence_models.conftest import MAX_LENGTH, batch, model, padded

KINDS = sorted(SEQUENCE_MODELS)


def scores_at(built: SequenceModel, line: Tensor, step: int) -> Tensor:
    """Return the scores of all items at one step of one line."""
    item_N = torch.arange(1, 31)
    places = Places(torch.zeros(30, dtype=torch.int64), torch.full((30,), step))
    return built.score(built.encode(line.unsqueeze(0)), places, item_N)


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_item_moves_no_earlier_score_and_moves_its_own(kind: str) -> None:
    built = model(kind)
    line = torch.tensor([3, 7, 1, 9, 4])
    changed = torch.tensor([3, 7, 1, 22, 23])
    for step in range(3):
        assert torch.equal(scores_at(built, line, step), scores_at(built, changed, step))
    assert not torch.allclose(scores_at(built, line, 3), scores_at(built, changed, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_an_earlier_item_moves_a_later_score(kind: str) -> None:
    built = model(kind)
    line, changed = torch.tensor([3, 7, 1, 9, 4]), torch.tensor([5, 7, 1, 9, 4])
    assert not torch.allclose(scores_at(built, line, 4), scores_at(built, changed, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_padding_moves_nothing(kind: str) -> None:
    built = model(kind)
    item_N, row_N = torch.arange(1, 31), torch.zeros(30, dtype=torch.int64)
    alone = built.predict(padded([[3, 7, 1]]), row_N, item_N)
    wide = built.predict(padded([[3, 7, 1]], MAX_LENGTH), row_N, item_N)
    beside = built.predict(padded([[3, 7, 1], [2, 5, 8, 9, 10, 11]]), row_N, item_N)
    assert torch.allclose(alone, wide, atol=1e-6)
    assert torch.allclose(alone, beside, atol=1e-6)
    with torch.no_grad():
        built.items.weight[0] = 7.0  # what stands in the row of padding is never read
    assert torch.allclose(alone, built.predict(padded([[3, 7, 1]], MAX_LENGTH), row_N, item_N), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_one_user_one_step_and_one_item_works(kind: str) -> None:
    built = model(kind, skip_margin=True)
    one = batch([[4, 5]], [[6]], [[7]])
    loss = built.loss(one)
    loss.backward()
    assert loss.shape == ()
    assert torch.isfinite(loss)
    several = built.predict(padded([[4], [9]]), torch.tensor([0, 1]), torch.tensor([5, 5]))
    single = built.predict(padded([[4]]), torch.tensor([0]), torch.tensor([5]))
    assert single.shape == (1,)
    assert torch.allclose(single[0], several[0], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_losses_by_hand(kind: str, three_users: SequenceBatch) -> None:
    """The mean over steps of log(1 + e^(negative - positive)), plus that over steps with a skip."""
    plain, margin = model(kind, skip_margin=False), model(kind, skip_margin=True)
    lines, negatives = [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10]], [[11, 12, 13, 14], [15], [16, 17]]
    skips = [[0, 18, 0, 19], [20], [0, 0]]
    against_negatives, against_skips = [], []
    for line, others, passed in zip(lines, negatives, skips, strict=True):
        for step in range(len(line) - 1):
            score = scores_at(plain, torch.tensor(line[:-1]), step)
            positive = score[line[step + 1] - 1]
            against_negatives.append(torch.log1p(torch.exp(score[others[step] - 1] - positive)))
            if passed[step]:
                against_skips.append(torch.log1p(torch.exp(score[passed[step] - 1] - positive)))
    expected = torch.stack(against_negatives).mean()
    penalty = plain.penalty()
    assert torch.allclose(plain.loss(three_users), expected + penalty, atol=1e-5)
    assert len(against_skips) == 3
    assert torch.allclose(margin.loss(three_users), expected + torch.stack(against_skips).mean() + penalty, atol=1e-5)


def test_a_batch_without_skips_has_no_margin() -> None:
    one = batch([[4, 5, 6]], [[7, 8]], [[0, 0]])
    assert torch.equal(model("sasrec", skip_margin=True).loss(one), model("sasrec", skip_margin=False).loss(one))


def test_losses_stay_finite_where_the_sigmoid_is_zero() -> None:
    """log(sigmoid(x)) is minus infinity at x = -200 in single precision."""
    built = model("sasrec")
    one = batch([[4, 5]], [[6]], [[0]])
    with torch.no_grad():
        state = built.encode(one.item_BL).vector_BLD[0, 0]
        built.items.weight[5] = -100 * state / state.norm() ** 2
        built.items.weight[6] = 100 * state / state.norm() ** 2
    assert built.loss(one).item() == pytest.approx(200, rel=1e-3)


def test_l2_is_the_norm_itself() -> None:
    built = model("gru4rec", l2=0.5)
    assert built.penalty().item() == pytest.approx(0.5 * built.items.weight.double().square().sum().sqrt().item())
    assert model("gru4rec").penalty().item() == 0


def test_no_step_attends_to_padding() -> None:
    """Differs from public code, where left padding holds back a share of the attention."""
    encoder = model("sasrec").encoder
    mask_BL = torch.tensor([[False, False, True, True]])
    torch.manual_seed(1)
    event_BLD = torch.randn(1, 4, 8)
    moved_BLD = event_BLD.clone()
    moved_BLD[:, :2] += 5
    states, moved = encoder(event_BLD, mask_BL), encoder(moved_BLD, mask_BL)
    assert torch.equal(states[:, 2:], moved[:, 2:])
    assert torch.isfinite(states).all()


def test_din_attends_more_to_what_the_unit_prefers() -> None:
    """By hand: the score of an item from the softmax over the events up to the step."""
    built = model("din")
    line, item = torch.tensor([3, 7, 1, 9]), 12
    table, step = built.items.weight, 2
    events, target = table[line[: step + 1]], table[item]
    hidden = torch.relu(
        events @ built.unit.event.weight.T
        + built.unit.event.bias
        + built.unit.target.weight @ target
        + (events * target) @ built.unit.product.weight.T
    )
    share = torch.softmax(hidden @ built.unit.weigh.weight[0] + built.unit.weigh.bias, dim=0)
    attended = share @ events
    expected = built.output(torch.cat([attended, target, attended * target]))
    assert torch.allclose(scores_at(built, line, step)[item - 1], expected[0], atol=1e-6)


def test_too_long_a_sequence_is_refused() -> None:
    with pytest.raises(ValueError, match="has 13 steps, the longest allowed is 12"):
        model("sasrec").encode(torch.ones(1, MAX_LENGTH + 1, dtype=torch.int64))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="embedding_dim is 8, which 3 heads"):
        model("sasrec", num_heads=3)


def test_two_heads_are_causal_too() -> None:
    built = model("sasrec", num_heads=2)
    line, changed = torch.tensor([3, 7, 1]), torch.tensor([3, 7, 22])
    assert torch.equal(scores_at(built, line, 1), scores_at(built, changed, 1))
    assert not torch.allclose(scores_at(built, line, 1), scores_at(model("sasrec"), line, 1))


def test_the_configuration_is_picked_by_kind_and_refuses_typos() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(SequenceConfig)
    assert adapter.validate_python({"kind": "sine"}).skip_margin
    assert not adapter.validate_python({"kind": "sasrec"}).skip_margin
    with pytest.raises(ValidationError):
        adapter.validate_python({"kind": "sine", "interests": 3})


def test_encoded_keeps_where_items_stand() -> None:
    encoded: Encoded = model("gru4rec").encode(padded([[3, 7], [1]]))
    assert encoded.mask_BL.tolist() == [[True, True], [False, True]]
