"""What every history encoder of the registry promises, whatever it computes."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from models.batch import Batch, History
from models.encoders.history import HISTORIES
from models.encoders.history.base import HistoryEncoder
from models.ranker import Ranker
from models.schema import InputSchema
from models.serving import export_ranker, history_tensors
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

KINDS = sorted(set(HISTORIES) - {"none"})
READ_ORDER = ("bst", "feedback_aware", "gru4rec", "hstu", "sasrec", "sine")
ELEMENTWISE = ("pooled",)
ASKED = ("attention", "bst", "din", "feedback_aware", "hstu")


def encoder(kind: str, **settings: object) -> HistoryEncoder:
    """Return an encoder without dropout, its parameters moved away from the small start."""
    torch.manual_seed(0)
    component = HISTORIES[kind]
    built = component(component.Config.model_validate({"kind": kind, **settings}), SCHEMA, DIM).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return built


@pytest.fixture
def table() -> nn.Embedding:
    return make_table()


def of_rows(history: History, row_B: Tensor) -> History:
    fields = {name: value[row_B] for name, value in history.fields.items()}
    return History(fields, **{name: getattr(history, name)[row_B] for name in (*CODES, "mask_BL")})


def with_gaps(history: History) -> History:
    """Return the events of a history moved to the front, each followed by a gap."""
    place_L = 2 * torch.arange(LENGTH)

    def spread(code_BL: Tensor) -> Tensor:
        wide_BL = torch.zeros(len(code_BL), 2 * LENGTH, dtype=code_BL.dtype)
        wide_BL[:, place_L] = code_BL
        return wide_BL

    fields = {name: spread(value) for name, value in history.fields.items()}
    return History(fields, **{name: spread(getattr(history, name)) for name in (*CODES, "mask_BL")})


@pytest.mark.parametrize("kind", KINDS)
def test_one_finite_vector_per_row_and_a_learned_one_for_an_empty_history(kind: str, table: nn.Embedding) -> None:
    built = encoder(kind)
    found = built(make_history(), table, candidates())
    assert found.shape == (len(COUNTS), built.width) == (len(COUNTS), DIM)
    assert torch.isfinite(found).all()
    assert torch.equal(found[0], built.empty_D)
    assert len(found.unique(dim=0)) == len(COUNTS)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_gaps_change_nothing(kind: str, table: nn.Embedding) -> None:
    built, candidate_BD = encoder(kind), candidates()
    history = make_history()
    expected = built(history, table, candidate_BD)
    noisy = changed(history, ~history.mask_BL, (*SCHEMA.history_fields, *CODES))
    for same in (make_history(length=LENGTH + 5), with_gaps(history), noisy):
        torch.testing.assert_close(built(same, table, candidate_BD), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_do_not_know_each_other(kind: str, table: nn.Embedding) -> None:
    built, history, candidate_BD = encoder(kind), make_history(), candidates()
    together = built(history, table, candidate_BD)
    for row in range(len(COUNTS)):
        alone = built(of_rows(history, torch.tensor([row])), table, candidate_BD[row : row + 1])
        torch.testing.assert_close(alone[0], together[row], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_candidates_of_one_user_share_a_sequence_that_is_looked_up_once(kind: str, table: nn.Embedding) -> None:
    built, sequence_B, candidate_BD = encoder(kind), torch.tensor([3, 7, 3, 0, 7, 5, 0, 3, 8, 3]), candidates(10)
    shared = replace(make_history(), sequence_B=sequence_B)
    looked_up: list[int] = []
    hook = table.register_forward_pre_hook(lambda _, inputs: looked_up.append(inputs[0].numel()))
    once, apart = built(shared, table, candidate_BD), built(shared.spread(), table, candidate_BD)
    hook.remove()
    torch.testing.assert_close(once, apart, rtol=1e-5, atol=1e-6)
    assert torch.equal(once[3], built.empty_D) and torch.equal(once[6], built.empty_D)
    assert looked_up[0] < looked_up[1]
    if kind in ELEMENTWISE:
        assert torch.equal(once, apart), "sums over events do not depend on how many rows there are"


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_counts_and_only_some_encoders_read_their_order(kind: str, table: nn.Embedding) -> None:
    built, history = encoder(kind), make_history(counts=(4, 5, 6))
    candidate_BD = candidates(3)
    found = built(history, table, candidate_BD)
    for slot in range(2, LENGTH):
        other = changed(history, history.mask_BL & (torch.arange(LENGTH) == slot), (*SCHEMA.history_fields, *CODES))
        assert ((found - built(other, table, candidate_BD)).abs().amax(dim=1) > 1e-5).all(), slot
    swapped_L = torch.tensor([0, 1, 2, 4, 3, 5])
    fields = {name: value[:, swapped_L] for name, value in history.fields.items()}
    swapped = History(fields, **{name: getattr(history, name)[:, swapped_L] for name in (*CODES, "mask_BL")})
    same = torch.allclose(found, built(swapped, table, candidate_BD), atol=1e-5)
    assert same != (kind in READ_ORDER)


@pytest.mark.parametrize("kind", KINDS)
def test_the_candidate_asks_where_the_method_lets_it(kind: str, table: nn.Embedding) -> None:
    built, history = encoder(kind), of_rows(make_history((5,)), torch.tensor([0, 0]))
    found = built(history, table, candidates(2))
    assert torch.allclose(found[0], found[1], atol=1e-6) != (kind in ASKED)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_learns(kind: str, table: nn.Embedding) -> None:
    built = encoder(kind).train()
    loss = built(make_history(), table, candidates()).square().sum()
    penalty = built.penalty()
    (loss if penalty is None else loss + penalty).backward()
    for name, parameter in built.named_parameters():
        # What all shares of a softmax have in common cancels: gradients of 0 up to rounding.
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    silent = {name for name, parameter in built.named_parameters() if parameter.grad.abs().max() < 1e-9}
    assert silent <= {"fusion.bias", "unit.1.bias", "unit.weigh.bias"}
    assert table.weight.grad.abs().sum() > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_exported_program_agrees(
    kind: str, ranker: Callable[..., Ranker], batch: Callable[..., Batch], schema: InputSchema
) -> None:
    model = ranker({"encoder": {"history": {"kind": kind}}, "tasks": {"watch_time": {}, "skip": {}}})
    program = export_ranker(model, batch(4)).module()
    for rows in (1, 4, 33):
        asked = batch(rows, seed=rows)
        answer = program(asked.ids_BF, asked.dense_BN, asked.duration_B, history_tensors(model, asked))
        expected = model.predict(asked)
        torch.testing.assert_close(answer["score"], expected.score_B)
        torch.testing.assert_close(answer["probability/skip"], expected.probability["skip"])


@pytest.mark.parametrize("kind", ["bst", "din", "gru4rec", "hstu", "sasrec", "sine"])
def test_without_skips_nothing_of_a_skip_is_read(kind: str, table: nn.Embedding) -> None:
    history, candidate_BD = make_history(), candidates()
    skipped_BL = history.mask_BL & (history.feedback_BL == 1)
    assert skipped_BL.any(dim=1).sum() >= 3
    other = changed(history, skipped_BL, (*SCHEMA.history_fields, "ratio_BL", "gap_BL"))
    gone = replace(history, mask_BL=history.mask_BL & ~skipped_BL)
    positives, everything = encoder(kind, skips=False), encoder(kind)
    expected = positives(history, table, candidate_BD)
    assert torch.equal(expected, positives(other, table, candidate_BD))
    torch.testing.assert_close(expected, everything(gone, table, candidate_BD))
    assert not torch.allclose(everything(history, table, candidate_BD), expected, atol=1e-3)
