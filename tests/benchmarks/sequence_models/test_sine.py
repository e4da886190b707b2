from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.sequence.models.base import Encoded, Places, SequenceBatch
from benchmarks.sequence.models.sasrec import SasRec
from benchmarks.sequence.models.sine import Sine
from models.encoders.history.distance_correlation import distance_correlation
from tests.benchmarks.sequence_models.conftest import batch, model, padded


def sine(**options: object) -> Sine:
    built = model("sine", **options)
    assert isinstance(built, Sine)
    return built


def encoded_last(built: Sine, line: list[int]) -> tuple[Encoded, Places]:
    places = Places(torch.zeros(1, dtype=torch.int64), torch.full((1,), len(line) - 1))
    return built.encode(padded([line])), places


def gated(built: Sine, line: list[int], step: int = -1) -> Tensor:
    encoded, _ = encoded_last(built, line)
    state_D = encoded.vector_BLD[0, step]
    return torch.stack([state_D + torch.sigmoid(state_D * interest) * state_D for interest in built.interest_KD])


def test_adaptive_scores_by_hand_each_item_with_its_own_fusion() -> None:
    built, line = sine(), [3, 7, 1]
    interest_KD, table = gated(built, line), built.items.weight
    item_N = torch.tensor([5, 9, 14])
    expected = []
    for item in item_N:
        share_K = torch.softmax(torch.stack([built.fusion(torch.cat([h, table[item]]))[0] for h in interest_KD]), dim=0)
        expected.append((share_K * (interest_KD @ table[item])).sum())
    together = built.predict(padded([line]), torch.zeros(3, dtype=torch.int64), item_N)
    assert torch.allclose(together, torch.stack(expected), atol=1e-6)
    alone = built.predict(padded([line]), torch.tensor([0]), item_N[1:2])
    assert torch.allclose(together[1:2], alone, atol=1e-6)


def test_a_linear_fusion_does_not_depend_on_the_item() -> None:
    """softmax_k(w h_k + v e + b) = softmax_k(w h_k): a property of the published form, stated in the class."""
    built, line = sine(), [3, 7, 1]
    interest_KD, table = gated(built, line), built.items.weight
    share_K = torch.softmax(interest_KD @ built.fusion.weight[0, :8], dim=0)
    item_N = torch.arange(1, 31)
    scores = built.predict(padded([line]), torch.zeros(30, dtype=torch.int64), item_N)
    assert torch.allclose(scores, table[1:] @ (share_K @ interest_KD), atol=1e-6)


def test_the_sum_adds_sub_interests_and_its_margin_is_the_largest() -> None:
    built, line = sine(fusion="sum"), [3, 7, 1]
    interest_KD, table = gated(built, line), built.items.weight
    encoded, places = encoded_last(built, line)
    score = built.score(encoded, places, torch.tensor([5]))
    assert torch.allclose(score[0], (interest_KD @ table[5]).sum(), atol=1e-6)
    margin = built.margin(encoded, places, torch.tensor([5]), torch.tensor([9]))
    assert torch.allclose(margin[0], (interest_KD @ table[5] - interest_KD @ table[9]).max(), atol=1e-6)
    one = batch([[3, 7, 1, 5]], [[11, 12, 13]], [[0, 0, 9]])
    pairs = [(7, 11), (1, 12), (5, 13)]
    negatives = torch.stack(
        [(gated(built, line, step) @ (table[p] - table[n])).sum() for step, (p, n) in enumerate(pairs)]
    )
    expected = -functional.logsigmoid(negatives).mean() - functional.logsigmoid(margin[0]) + built.penalty()
    assert torch.allclose(built.loss(one), expected, atol=1e-5)


def test_the_penalty_is_the_sum_over_pairs_of_sub_interests() -> None:
    built = sine(num_interests=3, dcor_weight=2.0, l2=0.1)
    first, second, third = built.interest_KD
    pairs = [(first, second), (first, third), (second, third)]
    expected = 2 * sum(distance_correlation(a, b) for a, b in pairs) + 0.1 * built.items.weight.norm()
    assert torch.allclose(built.penalty(), expected)
    built.penalty().backward()
    assert built.interest_KD.grad.abs().sum() > 0


def intents_by_hand(built: Sine, line: list[int], skips: list[int]) -> list[list[bool]]:
    """Return whether step t's target and input item j have one intent, step by step."""
    closeness = (built.items.weight @ built.interest_KD.T).tolist()

    def closest(item: int, skip: int = 0) -> int:
        gains = [p - (s if skip else 0) for p, s in zip(closeness[item], closeness[skip], strict=True)]
        return gains.index(max(gains))

    targets = [closest(item, skip) for item, skip in zip(line[1:], skips, strict=True)]
    inputs = [closest(line[0]), *targets[:-1]]
    return [[target == own for own in inputs] for target in targets]


def test_intents_by_hand_whatever_the_padding(three_users: SequenceBatch) -> None:
    built = sine()
    same_BLL = built.same_intent(three_users)
    lines, skips = [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10]], [[0, 18, 0, 19], [20], [0, 0]]
    for row, (line, passed) in enumerate(zip(lines, skips, strict=True)):
        steps = len(passed)
        assert same_BLL[row, -steps:, -steps:].tolist() == intents_by_hand(built, line, passed)
    assert same_BLL.any()
    assert not same_BLL.all()


def test_a_skip_moves_the_intent_of_its_target(three_users: SequenceBatch) -> None:
    built = sine()
    interest_KD = torch.eye(3, 8)
    with torch.no_grad():
        built.interest_KD.copy_(interest_KD)
        built.items.weight[5] = torch.tensor([1.0, 0.9, 0, 0, 0, 0, 0, 0])
        built.items.weight[19] = torch.tensor([0.5, 0.0, 0, 0, 0, 0, 0, 0])
        built.items.weight[4] = torch.tensor([0.0, 1.0, 0, 0, 0, 0, 0, 0])
    assert built.same_intent(three_users)[0, 3, 3]
    without = replace(three_users, skip_BL=torch.zeros_like(three_users.skip_BL))
    assert not built.same_intent(without)[0, 3, 3]


def test_the_filter_multiplies_attention_without_renormalising() -> None:
    built = sine()
    attention = built.encoder.blocks[0].attention
    torch.manual_seed(1)
    query_BLD, state_BLD = torch.randn(2, 1, 3, 8)
    allowed_BLL = torch.ones(1, 3, 3, dtype=torch.bool).tril()
    scale_BLL = torch.tensor([[[2.0, 1, 1], [1, 2, 1], [2, 1, 1]]])
    logit_LL = attention.query(query_BLD[0]) @ attention.key(state_BLD[0]).T / 8**0.5
    share_LL = torch.softmax(logit_LL.masked_fill(~allowed_BLL[0], -torch.inf), dim=1)
    expected = attention.output((share_LL * scale_BLL[0]) @ attention.value(state_BLD[0]))
    assert torch.allclose(attention(query_BLD, state_BLD, allowed_BLL, scale_BLL)[0], expected, atol=1e-6)
    assert not torch.allclose(attention(query_BLD, state_BLD, allowed_BLL, None)[0], expected, atol=1e-3)


def test_the_filter_works_in_training_only(three_users: SequenceBatch) -> None:
    filtered, plain = sine(intent_filter=2.0), sine()
    filtered.load_state_dict(plain.state_dict())
    assert not torch.allclose(filtered.loss(three_users), plain.loss(three_users))
    assert torch.equal(filtered.encode(three_users.item_BL).vector_BLD, plain.encode(three_users.item_BL).vector_BLD)
    same = sine(intent_filter=1.0)
    same.load_state_dict(plain.state_dict())
    assert torch.allclose(same.loss(three_users), plain.loss(three_users))


@pytest.mark.parametrize("fusion", ["adaptive", "sum"])
def test_without_sub_interests_it_is_sasrec(fusion: str) -> None:
    """With c_k = 0 every h_k is 1.5 h: one times 1.5, or the sum of three, times SASRec's score."""
    built, plain = sine(fusion=fusion), model("sasrec")
    assert isinstance(plain, SasRec)
    with torch.no_grad():
        built.interest_KD.zero_()
        built.items.weight.copy_(plain.items.weight)
    built.encoder.load_state_dict(plain.encoder.state_dict())
    item_N, row_N = torch.arange(1, 31), torch.zeros(30, dtype=torch.int64)
    factor = 1.5 if fusion == "adaptive" else 4.5
    expected = factor * plain.predict(padded([[3, 7, 1]]), row_N, item_N)
    assert torch.allclose(built.predict(padded([[3, 7, 1]]), row_N, item_N), expected, atol=1e-4)
