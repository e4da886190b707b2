import time

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.row_sparse import RowSparseAdamW
from tests.tolerance import ulps

LR, DECAY = 1e-2, 1e-1


def losses(table: nn.Parameter, ids: Tensor, target: Tensor, *, sparse: bool) -> Tensor:
    return (functional.embedding(ids, table, sparse=sparse) - target[ids]).square().mean()


def _first_tables(num_rows: int) -> tuple[Tensor, Tensor]:
    """Return a table and what its rows are to be."""
    torch.manual_seed(0)
    return torch.randn(num_rows, 4), torch.randn(num_rows, 4)


def train_both(batches: list[Tensor], num_rows: int) -> tuple[Tensor, Tensor]:
    """Return the tables that dense and row-sparse AdamW reach on the same batches."""
    start, target = _first_tables(num_rows)
    dense, packed = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    reference = torch.optim.AdamW([dense], lr=LR, weight_decay=DECAY)
    optimizer = RowSparseAdamW([packed], lr=LR, weight_decay=DECAY)
    for ids in batches:
        reference.zero_grad()
        losses(dense, ids, target, sparse=False).backward()
        reference.step()
        optimizer.prepare(ids)
        losses(packed, ids, target, sparse=True).backward()
        optimizer.step(optimizer.gradients())
    optimizer.catch_up_all()
    return dense.detach(), packed.detach()


def test_it_is_dense_adamw_when_every_row_is_read_at_every_step() -> None:
    dense, packed = train_both([torch.arange(20).repeat(2)] * 50, 20)
    torch.testing.assert_close(packed, dense, rtol=ulps(16), atol=1e-6)


def dense_row_wise(start: Tensor, target: Tensor, batches: list[Tensor]) -> Tensor:
    """Return the table that Adam with one second moment a row reaches when all rows move at every step, in double precision."""
    table = nn.Parameter(start.double())
    first, second = torch.zeros_like(table), torch.zeros(len(table), 1, dtype=torch.float64)
    for step, ids in enumerate(batches, start=1):
        table.grad = None
        losses(table, ids, target.double(), sparse=False).backward()
        assert table.grad is not None
        first = 0.9 * first + 0.1 * table.grad
        second = 0.999 * second + 0.001 * table.grad.square().mean(dim=1, keepdim=True)
        moved = first / (1 - 0.9**step) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        table.data = table.data * (1 - LR * DECAY) - LR * moved
    return table.detach().float()


def test_one_second_moment_a_row_is_row_wise_adam_and_is_kept_as_such() -> None:
    g = torch.Generator().manual_seed(4)
    start, target = torch.randn(50, 4, generator=g), torch.randn(50, 4, generator=g)
    batches = [torch.randint(0, 50, (7,), generator=g) for _ in range(150)]
    optimizer = RowSparseAdamW([nn.Parameter(start.clone())], LR, DECAY, second_moment="row")
    for step, ids in enumerate(batches):
        if step == 100:
            kept = optimizer.state_tensors()
            assert kept["second.0"].shape == (int(kept["moved"].sum()), 1)
            (table,) = optimizer.tables
            optimizer = RowSparseAdamW([nn.Parameter(table.detach().clone())], LR, DECAY, second_moment="row")
            optimizer.load_state_tensors(kept)
        optimizer.prepare(ids)
        losses(optimizer.tables[0], ids, target, sparse=True).backward()
        optimizer.step(optimizer.gradients())
    optimizer.catch_up_all()
    torch.testing.assert_close(
        optimizer.tables[0].detach(), dense_row_wise(start, target, batches), rtol=ulps(64), atol=1e-5
    )
    by_number, _ = train_both(batches[:20], 50)
    assert not torch.allclose(dense_row_wise(*_first_tables(50), batches[:20]), by_number, atol=1e-3)


@pytest.mark.slow
def test_rows_that_rest_follow_dense_adamw_too() -> None:
    g = torch.Generator().manual_seed(1)
    batches = [torch.randint(0, 50, (7,), generator=g) for _ in range(400)]
    batches += [torch.randint(0, 5, (7,), generator=g) for _ in range(400)]  # 45 rows rest longer than the window
    dense, packed = train_both(batches, 50)
    torch.testing.assert_close(packed, dense, rtol=ulps(64), atol=1e-5)


def test_a_fixed_number_of_slots_gives_the_bits_of_counted_rows() -> None:
    """As on a device that is not waited for: more slots than rows, and more ids than rows of the table."""
    g = torch.Generator().manual_seed(2)
    start, target = torch.randn(12, 4, generator=g), torch.randn(12, 4, generator=g)
    tables = [nn.Parameter(start.clone()) for _ in range(2)]
    counted, in_slots = (RowSparseAdamW([t], LR, DECAY, counted=c) for t, c in zip(tables, (True, False), strict=True))
    for ids in [torch.randint(0, 12, (size,), generator=g) for size in (1, 5, 5, 40, 7)]:
        norms = []
        for optimizer in (counted, in_slots):
            optimizer.prepare(ids)
            losses(optimizer.tables[0], ids, target, sparse=True).backward()
            (gradient_RD,) = optimizer.gradients()
            norms.append(torch.linalg.vector_norm(gradient_RD))
            optimizer.step([gradient_RD])
        assert torch.equal(tables[0], tables[1])
        torch.testing.assert_close(norms[1], norms[0], rtol=ulps(4), atol=0.0)
    for one, other in zip(counted.state_tensors().values(), in_slots.state_tensors().values(), strict=True):
        assert torch.equal(one, other)


def test_only_rows_of_the_batch_are_written() -> None:
    table = nn.Parameter(torch.randn(1000, 4))
    optimizer = RowSparseAdamW([table], lr=LR)
    before = table.detach().clone()
    ids = torch.tensor([3, 7, 7, 900])
    for _ in range(3):
        optimizer.prepare(ids)
        losses(table, ids, torch.zeros(1000, 4), sparse=True).backward()
        optimizer.step(optimizer.gradients())
    changed = (table.detach() != before).any(dim=1).nonzero().flatten()
    assert changed.tolist() == [3, 7, 900]


def test_the_cost_follows_the_batch_not_the_vocabulary() -> None:
    def seconds(num_rows: int) -> float:
        table = nn.Parameter(torch.zeros(num_rows, 8))
        optimizer = RowSparseAdamW([table], lr=LR)
        target, ids = torch.ones(1, 8).expand(num_rows, 8), torch.randint(0, num_rows, (500,))
        best = float("inf")
        for _ in range(15):
            started = time.perf_counter()
            optimizer.prepare(ids)
            losses(table, ids, target, sparse=True).backward()
            optimizer.step(optimizer.gradients())
            best = min(best, time.perf_counter() - started)
        return best

    # a dense update of two million rows costs a hundred times one of twenty thousand
    assert seconds(2_000_000) < 10 * seconds(20_000)


def test_the_restored_state_goes_on_with_the_same_bits() -> None:
    g = torch.Generator().manual_seed(1)
    batches = [torch.randint(0, 30, (9,), generator=g) for _ in range(300)]
    target = torch.randn(30, 4)

    def run(optimizer: RowSparseAdamW, part: list[Tensor]) -> None:
        for ids in part:
            optimizer.prepare(ids)
            losses(optimizer.tables[0], ids, target, sparse=True).backward()
            optimizer.step(optimizer.gradients())

    whole = RowSparseAdamW([nn.Parameter(torch.ones(30, 4))], lr=LR)
    run(whole, batches)
    half = RowSparseAdamW([nn.Parameter(torch.ones(30, 4))], lr=LR)
    run(half, batches[:280])
    resumed = RowSparseAdamW([nn.Parameter(half.tables[0].detach().clone())], lr=LR)
    resumed.load_state_tensors({name: value.clone() for name, value in half.state_tensors().items()})
    run(resumed, batches[280:])
    for optimizer in (whole, resumed):
        optimizer.catch_up_all()
    assert torch.equal(resumed.tables[0], whole.tables[0])


def test_rows_without_a_step_cost_no_moments_and_get_the_same_bits() -> None:
    start, target = torch.randn(50, 4, generator=torch.Generator().manual_seed(3)), torch.zeros(50, 4)

    def run(all_at_once: bool) -> RowSparseAdamW:
        optimizer = RowSparseAdamW([nn.Parameter(start.clone())], LR, DECAY)
        for step in range(30):
            ids = torch.arange(step % 7, 20, 3)
            optimizer.prepare(ids)
            losses(optimizer.tables[0], ids, target, sparse=True).backward()
            optimizer.step(optimizer.gradients())
            if step % 10 == 9:
                optimizer.catch_up_all(chunk=8) if all_at_once else optimizer.catch_up(torch.arange(50))
        return optimizer

    lazy, whole = run(True), run(False)
    assert torch.equal(lazy.tables[0], whole.tables[0])
    assert not torch.equal(lazy.tables[0][30:], start[30:])  # weight decay alone moved them
    for name, value in lazy.state_tensors().items():
        assert torch.equal(value, whole.state_tensors()[name])
    assert len(lazy.state_tensors()["first.0"]) == 20


def test_tables_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="common number of rows"):
        RowSparseAdamW([nn.Parameter(torch.zeros(3, 2)), nn.Parameter(torch.zeros(4, 2))], lr=LR)
