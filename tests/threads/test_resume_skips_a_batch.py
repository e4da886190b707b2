"""Lightning-AI/pytorch-lightning#5325, #19764: a run resumed in the middle of an epoch skips the rest of it, or repeats its start.

The loader has no place to go on from: what it shuffles depends on a generator that has moved on.
"""

import torch
from torch.utils.data import DataLoader

from tasks.train.order import shard_visits

ROWS, BATCH, SEED, DONE = 96, 8, 3, 5


def test_a_bare_loader_made_again_repeats_some_rows_and_never_shows_others() -> None:
    torch.manual_seed(SEED)
    loader: DataLoader[torch.Tensor] = DataLoader(torch.arange(ROWS), batch_size=BATCH, shuffle=True)
    batches = [batch.tolist() for batch in loader]
    again = [
        batch.tolist() for batch in loader
    ]  # of a resumed process: same data, same state of the epoch, another order
    seen = {row for batch in (*batches[:DONE], *again[DONE:]) for row in batch}
    assert len(seen) < ROWS


def order(epoch: int) -> list[int]:
    return [visit.begin + int(row) for visit in shard_visits(ROWS, 20, SEED, epoch) for row in visit.order]


def test_the_order_of_an_epoch_needs_no_state() -> None:
    """`tests/train/test_run.py` kills whole fits between two checkpoints and holds their bytes."""
    torch.manual_seed(99)
    before = order(1)
    torch.rand(7)
    rest = order(1)[DONE * BATCH :]
    assert sorted([*before[: DONE * BATCH], *rest]) == list(range(ROWS))
    assert order(2) != before
