"""The feedback-aware encoding: what each state may know, what padding, skips and ablations must not change."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.batch import Batch, History
from models.encoders.history.base import EMBEDDING_STD
from models.encoders.history.event_transformer import TargetAttention
from models.encoders.history.feedback_aware import FeedbackAwareConfig, FeedbackAwareHistory
from models.encoders.history.matches import SKIP
from models.encoders.history.ragged import Standing
from models.ranker import Ranker
from models.schema import InputSchema
from models.serving import export_ranker, history_tensors
from tasks.features.history import FEEDBACK
from tests.models.encoders.history.histories import (
    CODES,
    COUNTS,
    DIM,
    LENGTH,
    SCHEMA,
    candidates,
    changed,
    make_history,
    make_table,
)
from tests.tolerance import ulps

WIDTH = 8


def encoder(**settings: Any) -> FeedbackAwareHistory:
    torch.manual_seed(0)
    built = FeedbackAwareHistory(FeedbackAwareConfig(width=WIDTH, **settings), SCHEMA, DIM).eval()
    with torch.no_grad():
        built.target.key.weight.normal_()
        built.leave.weight.normal_(std=0.3)
    return built


@pytest.fixture
def table() -> nn.Embedding:
    return make_table()


def states(built: FeedbackAwareHistory, history: History, table: nn.Embedding) -> Tensor:
    """Return the states in their slots, [B, L, H]; NaN where no event is read."""
    standing = Standing.of(built.mask(history))
    state_BLH = torch.full((*history.mask_BL.shape, WIDTH), torch.nan).flatten(0, 1)
    state_BLH[standing.slot_N] = built.states(history, table, standing)
    return state_BLH.unflatten(0, history.mask_BL.shape)


def test_padding_read_like_events_and_masked_changes_nothing(
    table: nn.Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a device that is not asked how many events stand: outputs, and gradients in training."""
    built = encoder(dropout=0.0).train()
    history, candidate_BD = make_history(COUNTS), candidates(len(COUNTS))

    def run() -> tuple[Tensor, list[Tensor]]:
        built.zero_grad()
        out_BD = built(history, table, candidate_BD)
        out_BD.square().sum().backward()
        return out_BD.detach(), [
            parameter.grad.clone() for parameter in built.parameters() if parameter.grad is not None
        ]

    expected_BD, expected = run()
    monkeypatch.setattr(Standing, "of", Standing.padded)
    found_BD, found = run()
    torch.testing.assert_close(found_BD, expected_BD, rtol=ulps(64), atol=1e-6)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=ulps(256), atol=1e-5)


def by_hand(
    built: FeedbackAwareHistory, history: History, table: nn.Embedding, row: int, candidate_D: Tensor
) -> Tensor:
    """Return one row's summary, event by event and head by head."""
    read = built.mask(history)[row].nonzero().flatten().tolist()
    if not read:
        return built.empty_D
    events = built.events
    codes = ((events.feedback, history.feedback_BL), (events.ratio, history.ratio_BL), (events.gap, history.gap_BL))
    tokens = []
    for rank, slot in enumerate(read):
        vector = sum(table.weight[history.fields[name][row, slot]] for name in events.names)
        vector = vector + sum(e.weight[code_BL[row, slot]] for e, code_BL in codes if e is not None)
        tokens.append(built.event_norm(built.enter(vector) + built.places.weight[len(read) - 1 - rank]))
    token_LH = torch.stack(tokens)
    for layer in built.transformer.layers:
        query, key, value = layer.project(layer.attention_norm(token_LH)).chunk(3, dim=1)
        taken = [_attended(query[i], key[: i + 1], value[: i + 1], layer.num_heads) for i in range(len(read))]
        token_LH = token_LH + layer.output(torch.stack(taken))
        token_LH = token_LH + layer.network(layer.network_norm(token_LH))
    state_LH = built.transformer.norm(token_LH)
    target = built.target
    query = target.query(built.candidate_norm(built.enter(candidate_D)))
    return built.leave(_attended(query, target.key(state_LH), target.value(state_LH), target.num_heads))


def _attended(query_H: Tensor, key_LH: Tensor, value_LH: Tensor, num_heads: int) -> Tensor:
    parts = []
    for q, k, v in zip(query_H.chunk(num_heads), key_LH.chunk(num_heads, 1), value_LH.chunk(num_heads, 1), strict=True):
        parts.append(torch.softmax(k @ q / len(q) ** 0.5, dim=0) @ v)
    return torch.cat(parts)


@pytest.mark.parametrize("reads", [{}, {"skips": False}, {"feedback": False, "context": False}], ids=str)
def test_equals_the_computation_by_hand(reads: dict[str, bool], table: nn.Embedding) -> None:
    built, history, candidate_BD = encoder(reads=reads), make_history(), candidates()
    found = built(history, table, candidate_BD)
    expected = [by_hand(built, history, table, row, candidate_BD[row]) for row in range(len(COUNTS))]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-5, atol=1e-6)


def test_a_state_knows_no_later_event(table: nn.Embedding) -> None:
    built, history = encoder(), make_history()
    for slot in range(LENGTH):
        where_BL = history.mask_BL & (torch.arange(LENGTH) == slot)
        other = changed(history, where_BL, (*SCHEMA.history_fields, *CODES))
        before, after = states(built, history, table), states(built, other, table)
        torch.testing.assert_close(before[:, :slot], after[:, :slot], equal_nan=True, rtol=0, atol=0)
        moved_B = (before[:, slot] - after[:, slot]).abs().amax(dim=1)
        assert (moved_B[history.mask_BL[:, slot]] > 1e-4).all()


def test_more_padding_changes_nothing(table: nn.Embedding) -> None:
    built, candidate_BD = encoder(), candidates()
    short, wide = make_history(), make_history(length=LENGTH + 5)
    for name in CODES:
        assert torch.equal(getattr(short, name), getattr(wide, name)[:, 5:])
    torch.testing.assert_close(
        built(short, table, candidate_BD), built(wide, table, candidate_BD), rtol=ulps(16), atol=ulps(16)
    )


def test_what_stands_under_padding_does_not_matter(table: nn.Embedding) -> None:
    built, history, candidate_BD = encoder(), make_history(), candidates()
    noisy = changed(history, ~history.mask_BL, (*SCHEMA.history_fields, *CODES))
    assert torch.equal(built(history, table, candidate_BD), built(noisy, table, candidate_BD))


def test_rows_do_not_know_each_other(table: nn.Embedding) -> None:
    built, history, candidate_BD = encoder(), make_history(), candidates()
    together = built(history, table, candidate_BD)
    for row in range(len(COUNTS)):
        part = slice(row, row + 1)
        fields = {name: value[part] for name, value in history.fields.items()}
        codes = {name: getattr(history, name)[part] for name in CODES}
        alone = built(History(fields, mask_BL=history.mask_BL[part], **codes), table, candidate_BD[part])
        torch.testing.assert_close(alone, together[part], rtol=1e-5, atol=1e-6)


def test_the_events_of_a_shared_sequence_are_encoded_once(table: nn.Embedding) -> None:
    built, history = encoder(dropout=0.0, reads={"skips": False}), make_history()
    shared = replace(history, sequence_B=torch.tensor([3, 7, 3, 0, 7, 5, 0, 3, 8, 3]))
    encoded: list[int] = []
    hook = built.transformer.register_forward_pre_hook(lambda _, inputs: encoded.append(len(inputs[0])))
    once, apart = (built(asked, table, candidates(10)) for asked in (shared, shared.spread()))
    hook.remove()
    torch.testing.assert_close(once, apart, rtol=1e-5, atol=1e-6)
    events_B = built.mask(history).sum(dim=1)
    assert encoded == [int(events_B.sum()), int(events_B[shared.sequence_B].sum())]


def test_skip_is_the_code_that_the_features_stage_writes() -> None:
    assert FEEDBACK.index("skip") + 1 == SKIP


def test_without_skips_nothing_of_a_skip_is_read(table: nn.Embedding) -> None:
    built, history, candidate_BD = encoder(reads={"skips": False}), make_history(), candidates()
    skipped_BL = history.mask_BL & (history.feedback_BL == SKIP)
    assert skipped_BL.any(dim=1).sum() >= 3
    other = changed(history, skipped_BL, (*SCHEMA.history_fields, "ratio_BL", "gap_BL"))
    assert torch.equal(built(history, table, candidate_BD), built(other, table, candidate_BD))
    gone = replace(history, mask_BL=history.mask_BL & ~skipped_BL)
    torch.testing.assert_close(built(history, table, candidate_BD), built(gone, table, candidate_BD))


def test_without_skips_a_gap_does_not_give_them_away(table: nn.Embedding) -> None:
    """A play, a skip, a play reads like play, play."""
    built = encoder(reads={"skips": False})
    history = make_history(counts=(3,), seed=5)
    with_skip = replace(history, feedback_BL=torch.tensor([[0, 0, 0, 4, SKIP, 5]]))

    def without_the_skip(code_BL: Tensor) -> Tensor:
        return torch.cat([code_BL[:, :1], code_BL[:, :4], code_BL[:, 5:]], dim=1)

    plain = History(
        {name: without_the_skip(value) for name, value in with_skip.fields.items()},
        *(without_the_skip(getattr(with_skip, name)) for name in (*CODES, "mask_BL")),
    )
    torch.testing.assert_close(built(with_skip, table, candidates(1)), built(plain, table, candidates(1)))
    aware = encoder()
    assert not torch.allclose(aware(with_skip, table, candidates(1)), aware(plain, table, candidates(1)), atol=1e-3)


@pytest.mark.parametrize(
    ("reads", "ignored"),
    [
        ({"feedback": False}, ("feedback_BL", "ratio_BL")),
        ({"context": False}, ("ratio_BL", "gap_BL", "scene")),
        ({"feedback": False, "context": False}, (*CODES, "scene")),
    ],
    ids=str,
)
def test_an_ablation_reads_the_rest_and_nothing_else(
    reads: dict[str, bool], ignored: tuple[str, ...], table: nn.Embedding
) -> None:
    built, history, candidate_BD = encoder(reads=reads), make_history(), candidates()
    found = built(history, table, candidate_BD)
    for part in (*SCHEMA.history_fields, *CODES):
        other = built(changed(history, history.mask_BL, (part,)), table, candidate_BD)
        if part in ignored:
            assert torch.equal(found, other), part
        else:
            assert ((found - other).abs().amax(dim=1) > 1e-5)[1:].all(), part


@pytest.mark.parametrize("counts", [(0, 0, 0), (0, 1, 6), (1,)], ids=str)
def test_empty_and_single_histories(counts: tuple[int, ...], table: nn.Embedding) -> None:
    built, history = encoder().train(), make_history(counts)
    found = built(history, table, candidates(len(counts)))
    empty_B = torch.tensor(counts) == 0
    assert torch.equal(found[empty_B], built.empty_D.expand(int(empty_B.sum()), DIM))
    found.square().sum().backward()
    gradients = [parameter.grad for parameter in (*built.parameters(), *table.parameters())]
    assert all(torch.isfinite(gradient).all() for gradient in gradients if gradient is not None)


def test_no_rows_at_all(table: nn.Embedding) -> None:
    history = make_history((1,))
    fields = {name: value[:0] for name, value in history.fields.items()}
    nobody = History(fields, **{name: getattr(history, name)[:0] for name in (*CODES, "mask_BL")})
    assert encoder()(nobody, table, candidates(0)).shape == (0, DIM)


def test_the_candidate_asks(table: nn.Embedding) -> None:
    """Two candidates take different things from one history of several events, and the same from a single event."""
    built, candidate_BD = encoder(), candidates(2)
    several, single = make_history((5, 5)), make_history((1, 1))
    for history, differs in ((several, True), (single, False)):
        codes = {name: getattr(history, name)[:1].expand(2, -1) for name in (*CODES, "mask_BL")}
        twice = History({name: value[:1].expand(2, -1) for name, value in history.fields.items()}, **codes)
        found = built(twice, table, candidate_BD)
        assert torch.allclose(found[0], found[1], atol=1e-6) != differs


def test_attention_starts_as_similarity() -> None:
    """Before anything is learned, a candidate takes most from the state that equals it."""
    torch.manual_seed(0)
    target = TargetAttention(64, num_heads=2)
    state_NH = nn.functional.layer_norm(torch.randn(30, 64), (64,))
    standing = Standing.of(torch.ones(1, 30, dtype=torch.bool))
    logit_N = target.key(state_NH) @ target.query(state_NH[7])
    assert int(logit_N.argmax()) == 7
    with torch.no_grad():
        value_NH = target.value(state_NH)
        taken_H = target(state_NH[7:8], state_NH, standing)[0]
    assert int((value_NH @ taken_H).argmax()) == 7


def test_a_summary_starts_as_small_as_an_embedding() -> None:
    torch.manual_seed(0)
    built = FeedbackAwareHistory(FeedbackAwareConfig(), SCHEMA, 16)
    small = nn.Embedding(SCHEMA.num_rows, 16)
    nn.init.normal_(small.weight, std=EMBEDDING_STD)
    found = built(make_history(), small, small.weight[: len(COUNTS)])
    assert 0.1 * EMBEDDING_STD < float(found.detach().std()) < 10 * EMBEDDING_STD


@pytest.mark.parametrize("training", [False, True])
def test_the_same_seed_gives_the_same_bits(training: bool, table: nn.Embedding) -> None:
    def fitted() -> list[Tensor]:
        built = encoder(dropout=0.3).train(training)
        torch.manual_seed(3)
        found = built(make_history(), table, candidates())
        return [found, *torch.autograd.grad(found.square().sum(), list(built.parameters()))]

    assert all(torch.equal(a, b) for a, b in zip(fitted(), fitted(), strict=True))


@pytest.mark.slow
def test_gradients_equal_finite_differences(table: nn.Embedding) -> None:
    built, history, candidate_BD = encoder().double(), make_history(), candidates().double()
    table = table.double()

    def summary(weight: Tensor) -> Tensor:
        return torch.func.functional_call(built, {"enter.weight": weight}, (history, table, candidate_BD))

    assert torch.autograd.gradcheck(summary, built.enter.weight.detach().requires_grad_())


@pytest.mark.slow
def test_the_exported_program_agrees(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    history = {"kind": "feedback_aware", "width": 16, "reads": {"skips": False}}
    model = ranker({"encoder": {"history": history}, "tasks": {"watch_time": {}, "skip": {}}})
    program = export_ranker(model, batch(4)).module()
    for rows in (1, 4, 33):
        asked = batch(rows, seed=rows)
        answer = program(asked.ids_BF, asked.dense_BN, asked.duration_B, history_tensors(model, asked))
        expected = model.predict(asked)
        torch.testing.assert_close(answer["score"], expected.score_B)
        torch.testing.assert_close(answer["probability/skip"], expected.probability["skip"])


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="width is 10, which 4 heads do not divide"):
        FeedbackAwareConfig(width=10, heads=4)
    with pytest.raises(ValueError, match="reads a history, but the input schema has no history_fields"):
        FeedbackAwareHistory(FeedbackAwareConfig(), InputSchema(fields=(("user_id", 3),)), DIM)
