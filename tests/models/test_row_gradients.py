"""Sums of rows and their gradients, against torch's own lookup and its sparse gradient."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.encoders.table import PackedTable, code_sums, summed
from models.row_sparse import RowSparseAdamW
from tests.tolerance import ulps

V, D = 40, 4


def ids(*shape: int) -> Tensor:
    return torch.randint(0, V, shape, generator=torch.Generator().manual_seed(sum(shape)))


def trained(table: nn.Embedding, events: Tensor, collected: bool, passes: int = 1) -> tuple[Tensor, Tensor]:
    """Return the gradient of the rows that two lookups read, and the table after three steps."""
    optimizer = RowSparseAdamW([table.weight], lr=1e-2)
    if not collected:
        delattr(table.weight, "row_gradients")
    rows, gradient = ids(9, 2), torch.zeros(0)
    for _ in range(3):
        optimizer.prepare(torch.cat([rows.flatten(), events.flatten()]))
        for _ in range(passes):
            read = (
                summed(table, events)
                if collected
                else functional.embedding(events, table.weight, sparse=True).sum(dim=-2)
            )
            fields = table(rows) if collected else functional.embedding(rows, table.weight, sparse=True)
            (read.square().sum() + (fields * fields.detach().cos()).sum()).backward()
        (gradient,) = optimizer.gradients()
        optimizer.step([gradient])
    return gradient, table.weight.detach()


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("shape", [(6, 5, 3), (1, 1, 1), (8, 3, 1)])
def test_gradients_are_those_of_torch(shape: tuple[int, ...], passes: int) -> None:
    start = torch.randn(V, D, generator=torch.Generator().manual_seed(5))
    mine = trained(PackedTable(V, D, start.clone()), ids(*shape), True, passes)
    plain = trained(nn.Embedding(V, D, sparse=True, _weight=start.clone()), ids(*shape), False, passes)
    for found, expected in zip(mine, plain, strict=True):
        torch.testing.assert_close(found, expected, rtol=ulps(64), atol=1e-6)


def test_lookups_in_another_order_than_the_batch_is_read_in_give_the_same() -> None:
    def gradient(reversed_order: bool) -> Tensor:
        table = PackedTable(V, D, torch.ones(V, D))
        optimizer, parts = RowSparseAdamW([table.weight], lr=1e-2), [ids(9, 2), ids(4, 3)]
        optimizer.prepare(torch.cat([part.flatten() for part in parts]))
        weighted = [(number + 2) * summed(table, part).sum() for number, part in enumerate(parts)]
        loss = weighted[1] + weighted[0]
        if reversed_order:
            optimizer.prepare(torch.cat([part.flatten() for part in reversed(parts)]))
            loss = (
                3 * summed(table, parts[1]).sum()
                + 2 * summed(table, parts[0]).sum()
                + 0 * summed(table, parts[0]).sum()
            )
        loss.backward()
        return optimizer.gradients()[0]

    torch.testing.assert_close(gradient(True), gradient(False))


def test_a_table_without_an_optimizer_has_a_gradient_of_its_own() -> None:
    table = PackedTable(V, D)
    summed(table, ids(6, 2)).sum().backward()
    assert table.weight.grad is not None and table.weight.grad.is_sparse
    counts = torch.bincount(ids(6, 2).flatten(), minlength=V).float()
    assert torch.equal(table.weight.grad.to_dense(), counts[:, None].expand(V, D))


def test_what_an_abandoned_step_found_is_forgotten() -> None:
    table = PackedTable(V, D)
    optimizer = RowSparseAdamW([table.weight], lr=1e-2)
    for factor in (7.0, 1.0):
        optimizer.prepare(ids(5))
        (factor * table(ids(5))).sum().backward()
    assert torch.equal(optimizer.gradients()[0].sum(), torch.tensor(5.0 * D))


def test_sums_of_codes_are_those_of_torch() -> None:
    codes = torch.randint(0, 7, (5, 6, 3), generator=torch.Generator().manual_seed(1))
    tables = [torch.randn(7, D, generator=torch.Generator().manual_seed(2)).requires_grad_() for _ in range(2)]
    found, expected = code_sums(tables[0], codes), functional.embedding(codes, tables[1]).sum(dim=-2)
    torch.testing.assert_close(found, expected)
    for value in (found, expected):
        value.square().sum().backward()
    torch.testing.assert_close(tables[0].grad, tables[1].grad, rtol=ulps(64), atol=1e-6)
