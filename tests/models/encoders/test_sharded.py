"""Packed tables of several processes: together they are the table of one, and a lookup reads what was lent."""

import pytest
import torch
from torch import Tensor

from models.encoders import sharded
from models.encoders.sharded import Placement, ShardedTable, packed_table, placed


def made(num_rows: int, width: int, rank: int = 0, size: int = 1) -> tuple[torch.nn.Embedding, Tensor]:
    """Return a table, and what is drawn after it."""
    torch.manual_seed(7)
    with placed(Placement(rank, size)):
        return packed_table(num_rows, width), torch.rand(3)


@pytest.mark.parametrize(("num_rows", "width"), [(1, 3), (5, 2), (67, 3), (129, 1), (131, 4)])
@pytest.mark.parametrize("size", [2, 3])
def test_the_parts_are_the_rows_of_the_whole(
    num_rows: int, width: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharded, "_DRAWN", 32)
    whole, after = made(num_rows, width)
    for rank in range(size):
        part, then = made(num_rows, width, rank, size)
        assert isinstance(part, ShardedTable)
        assert torch.equal(part.weight, whole.weight[rank::size])
        assert torch.equal(then, after), "the rest of the model is drawn alike"


def test_a_lookup_reads_what_was_lent_and_collects_its_gradient() -> None:
    table, _ = made(10, 2, rank=1, size=2)
    assert isinstance(table, ShardedTable)
    row_R, lent_RD = torch.tensor([2, 5, 9]), torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    table.lend(row_R, lent_RD)
    assert torch.equal(table.gradient(), torch.zeros(3, 2))
    ids = torch.tensor([[9, 2], [9, 9]])
    found = table(ids)
    assert torch.equal(found, lent_RD[torch.tensor([[2, 0], [2, 2]])])
    found.sum().backward()
    assert table.gradient().tolist() == [[1.0, 1.0], [0.0, 0.0], [3.0, 3.0]]
    assert table.weight.grad is None


@pytest.mark.parametrize("missing", [0, 4, 10])
def test_a_row_that_was_not_lent_is_refused(missing: int) -> None:
    table, _ = made(11, 2, rank=0, size=2)
    assert isinstance(table, ShardedTable)
    table.lend(torch.tensor([2, 5, 9]), torch.zeros(3, 2))
    with pytest.raises(RuntimeError, match="not lent"):
        table(torch.tensor([2, missing]))
