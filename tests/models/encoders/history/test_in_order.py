"""The sequence models as history encoders: what a state may know, where the newest event stands, what is added to losses."""

from collections.abc import Callable
from itertools import combinations

import pytest
import torch

from models.batch import Batch
from models.encoders.history import HISTORIES
from models.encoders.history.distance_correlation import distance_correlation
from models.encoders.history.in_order import without_gaps
from models.encoders.history.sine import SineHistory, SineHistoryConfig
from models.ranker import Ranker
from tests.models.encoders.history.histories import DIM, LENGTH, SCHEMA, candidates, make_history, make_table


@pytest.mark.parametrize("kind", ["gru4rec", "sasrec", "sine"])
def test_a_state_knows_no_later_event(kind: str) -> None:
    torch.manual_seed(0)
    built = HISTORIES[kind](HISTORIES[kind].Config(kind=kind), SCHEMA, DIM).eval()
    mask_BL = make_history().mask_BL
    event_BLD = torch.randn(*mask_BL.shape, DIM) * mask_BL.unsqueeze(2)
    before = built.encoder(event_BLD, mask_BL)
    for slot in range(LENGTH):
        moved_BLD = event_BLD.clone()
        moved_BLD[:, slot] += mask_BL[:, slot : slot + 1]
        after = built.encoder(moved_BLD, mask_BL)
        stands_B = mask_BL[:, slot]
        earlier_BL = mask_BL & (torch.arange(LENGTH) < slot)
        torch.testing.assert_close(before[earlier_BL], after[earlier_BL], rtol=0, atol=0)
        assert ((before - after)[stands_B, slot].abs().amax(dim=1) > 1e-4).all()


def test_events_move_to_the_end_in_order() -> None:
    mask_BL = torch.tensor([[True, False, True, False], [False, False, False, False]])
    event_BLD = torch.arange(1.0, 9).reshape(2, 4, 1)
    moved_BLD, moved_BL = without_gaps(event_BLD, mask_BL)
    assert moved_BLD[..., 0].tolist() == [[0, 0, 1, 3], [0, 0, 0, 0]]
    assert moved_BL.tolist() == [[False, False, True, True], [False] * 4]


@pytest.mark.parametrize("fusion", ["adaptive", "sum"])
def test_sine_by_hand(fusion: str) -> None:
    torch.manual_seed(0)
    built, table = SineHistory(SineHistoryConfig(fusion=fusion), SCHEMA, DIM).eval(), make_table()
    history, candidate_BD = make_history(), candidates()
    found = built(history, table, candidate_BD)
    event_BLD, mask_BL = without_gaps(built.events(history, table), history.mask_BL)
    state_BD = built.encoder(event_BLD, mask_BL)[:, -1]
    for row in range(1, len(found)):
        seen_KD = torch.stack([state_BD[row] * (1 + torch.sigmoid(state_BD[row] * c)) for c in built.interest_KD])
        share_K = torch.ones(3)
        if built.fusion is not None:
            share_K = torch.softmax(
                torch.stack([built.fusion(torch.cat([h, candidate_BD[row]]))[0] for h in seen_KD]), dim=0
            )
        torch.testing.assert_close(found[row], built.leave(share_K @ seen_KD))


def test_the_penalty_stands_in_the_loss_of_watch_time(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    def losses(**history: object) -> tuple[dict[str, torch.Tensor], Ranker]:
        encoder = {"history": {"kind": "sine", "dropout": 0.0, **history}}
        model = ranker({"encoder": encoder, "tasks": {"watch_time": {}, "skip": {}}})
        return model.losses(batch(6)), model

    (with_penalty, model), (without, _) = losses(dcor_weight=2.0), losses(dcor_weight=0.0)
    pairs = combinations(model.encoder.history.interest_KD, 2)
    expected = 2 * torch.stack([distance_correlation(a, b) for a, b in pairs]).sum()
    assert expected.item() > 0.1
    torch.testing.assert_close(with_penalty["watch_time"] - without["watch_time"], expected)
    assert torch.equal(with_penalty["skip"], without["skip"])


def test_heads_must_divide_the_embedding() -> None:
    with pytest.raises(ValueError, match="embedding_dim is 4, which 3 heads"):
        SineHistory(SineHistoryConfig(num_heads=3), SCHEMA, DIM)
