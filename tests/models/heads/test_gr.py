"""Generative regression: the vocabulary and the tree by brute force, the law of the tree against the loss of its codes."""

import numpy as np
import pytest
import torch

from models.heads.base import TrainLabels
from models.heads.gr import Gr, GrConfig
from models.heads.watch_tokens import CodeTree, dynamic_vocabulary, encode

PURE = {"sum_weight": 0.0}


def head_of(labels: TrainLabels, **options: object) -> Gr:
    torch.manual_seed(3)
    config = GrConfig.model_validate({**PURE, **options})
    return Gr(config, Gr.fit_state(config, labels))


def labels_to(longest: float, rows: int = 3_000) -> TrainLabels:
    watch_s = np.minimum(np.random.default_rng(0).lognormal(2, 1, rows), longest)
    watch_s[0] = longest
    return TrainLabels(watch_s, np.full(rows, longest))


def test_the_vocabulary_by_hand() -> None:
    """Ten plays: 40 is taken from one of them, then of (0 x 7, 3, 5, 9) the 9, the 5, the 3, each the largest left."""
    value = np.array([0, 0, 0, 0, 0, 0, 40, 3, 5, 9])
    assert dynamic_vocabulary(value).tolist() == [40, 9, 5, 3, 1]
    assert dynamic_vocabulary(np.array([2, 2, 7, 7, 7])).tolist() == [7, 2, 1]
    assert dynamic_vocabulary(np.zeros(4, dtype=np.int64)).tolist() == [1]


def test_the_level_falls_to_nine_tenths() -> None:
    value = np.random.default_rng(1).geometric(0.05, 4_000)
    left, level, tokens = value.copy(), 0.9999, []
    for _ in range(100):
        token = np.sort(left)[int(np.ceil(level * len(left))) - 1]
        if token < 1:
            break
        tokens.append(int(token))
        left = np.where(left >= token, left - token, left)
        level = max(0.9, level * 0.99)
    assert dynamic_vocabulary(value).tolist() == sorted({*tokens, 1}, reverse=True)
    assert len(tokens) > 11, "the level reached its floor"


def test_every_value_is_the_sum_of_its_code_and_codes_never_grow() -> None:
    tokens = np.array([31, 12, 5, 2, 1])
    tree = CodeTree.of(tokens, 70)
    for value in range(71):
        code = encode(value, tokens)
        assert tokens[code].sum() == value
        assert code == sorted(code)
        node = tree.node[value]
        assert tree.value[node] == value
        assert tree.path[node, : tree.depth[node]].tolist() == code
        if value:
            assert tree.value[tree.parent[node - 1]] == value - tokens[code[-1]]
            assert tree.last[node - 1] == code[-1]
    follows = {tuple(encode(value, tokens)) for value in range(71)}
    for node, value in enumerate(tree.value.tolist()):
        asked = [(*encode(value, tokens), place) in follows for place in range(len(tokens))]
        assert tree.allowed[node].tolist() == [*asked, True]


@pytest.mark.parametrize(("longest", "unit"), [(40.0, 1.0), (10.0, 0.5), (3.0, 1.0)])
def test_the_law_of_the_tree_is_that_of_its_codes_one_by_one(longest: float, unit: float) -> None:
    """Two ways to one number: all codes at once, with prefixes shared, and each label by the loss it trains with."""
    head = head_of(labels_to(longest), resolution_s=unit).eval()
    out_BO = torch.randn(3, head.num_outputs, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found_BS = head.log_law(out_BO)
        for row in range(3):
            watch_S, rows_SO = head.value_s_S, out_BO[row].expand(len(head.value_s_S), -1)
            alone_S = -head.loss(rows_SO, watch_S, torch.full_like(watch_S, longest))
            torch.testing.assert_close(found_BS[row], alone_S, rtol=1e-4, atol=1e-4)
        mean_B = head.decode_mean(out_BO, torch.full((3,), longest))
    torch.testing.assert_close(found_BS.exp().sum(dim=1), torch.ones(3))
    torch.testing.assert_close(mean_B, found_BS.exp() @ head.value_s_S)
    assert sorted(head.value_s_S.tolist()) == pytest.approx((np.arange(round(longest / unit) + 1) * unit).tolist())


def test_the_mean_is_cut_at_the_duration_inside_the_expectation() -> None:
    head = head_of(labels_to(60.0)).eval()
    out_BO = torch.randn(2, head.num_outputs, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        law_BS, found_B = head.log_law(out_BO).exp(), head.decode_mean(out_BO, torch.tensor([7.0, 7.0]))
    torch.testing.assert_close(found_B, (law_BS * head.value_s_S.clamp(max=7)).sum(dim=1))


def test_labels_are_rounded_and_unseen_ones_are_the_longest_at_most() -> None:
    head = head_of(labels_to(60.0))
    found = head.value(torch.tensor([0.4, 0.6, 31.7, 60.0, 500.0]))
    assert head.value_s_S[head.node_S[found]].tolist() == [0, 1, 32, 60, 60]


def test_the_sum_of_expected_tokens_by_hand() -> None:
    head = head_of(labels_to(60.0), sum_weight=2.0, scale_s=10.0).eval()
    out_BO = torch.randn(1, head.num_outputs, generator=torch.Generator().manual_seed(2))
    watch_B = torch.tensor([37.0])
    with torch.no_grad():
        law_S = head.log_law(out_BO)[0].exp()
        code, said, prefix = encode(37, head.tokens.numpy()), 0.0, 0
        for place in [*code, None]:
            follow: dict[int, float] = {}
            for node, value in enumerate(head.value_s_S.int().tolist()):
                path = encode(value, head.tokens.numpy())
                if len(path) > prefix and path[:prefix] == code[:prefix]:
                    follow[path[prefix]] = follow.get(path[prefix], 0.0) + law_S[node].item()
            stop = law_S[head.node_S[head.tokens.numpy()[code[:prefix]].sum()]].item()
            reached = stop + sum(follow.values())
            said += sum(head.tokens[token].item() * chance for token, chance in follow.items()) / reached
            prefix += place is not None
        surprise = -np.log(law_S[head.node_S[37]].item())
        gap = abs(said - 37) / 10
        expected = surprise + 2 * (gap**2 / 2 if gap < 1 else gap - 0.5)
        found = head.loss(out_BO, watch_B, torch.tensor([60.0])).item()
    assert found == pytest.approx(expected, rel=1e-4)


def test_own_words_replace_true_ones_by_and_by_in_training_alone() -> None:
    head = head_of(labels_to(60.0), told=2, mixing=2, most_mixed=0.5)
    out_BO = torch.randn(8, head.num_outputs, generator=torch.Generator().manual_seed(1))
    watch_B, duration_B = torch.linspace(0, 60, 8), torch.full((8,), 60.0)
    losses = [head.loss(out_BO, watch_B, duration_B) for _ in range(6)]
    for told in losses[1:3]:
        torch.testing.assert_close(told, losses[0])
    assert not torch.allclose(losses[3], losses[0])
    assert not torch.allclose(losses[4], losses[3])
    torch.testing.assert_close(losses[5], losses[4])
    resumed = head_of(labels_to(60.0), told=2, mixing=2, most_mixed=0.5)
    resumed.load_state_dict(head.state_dict())
    torch.testing.assert_close(resumed.loss(out_BO, watch_B, duration_B), losses[5])
    torch.testing.assert_close(head.eval().loss(out_BO, watch_B, duration_B), losses[0])
    assert head.batches == 6, "nothing is counted outside training"


def test_a_first_word_is_never_mixed() -> None:
    """A play of nothing is the end after the start, which no word of the decoder's precedes."""
    head = head_of(labels_to(60.0), told=0, mixing=1, most_mixed=1.0)
    out_BO = torch.randn(1, head.num_outputs, generator=torch.Generator().manual_seed(1))
    zero_B, duration_B = torch.zeros(1), torch.full((1,), 60.0)
    first, later = (head.loss(out_BO, zero_B, duration_B) for _ in range(2))
    torch.testing.assert_close(later, first)


def test_what_cannot_be_decoded_is_refused() -> None:
    with pytest.raises(ValueError, match=r"9000 s, 9000 units of resolution_s=1, .* give it at least 2\.2"):
        Gr.fit_state(GrConfig(), labels_to(9_000.0))
    with pytest.raises(ValueError, match="width is 30, which 4 heads do not divide"):
        GrConfig(width=30)
    with pytest.raises(ValueError, match="70 tokens, at most 64"):
        CodeTree.of(np.array([1]), 70)
