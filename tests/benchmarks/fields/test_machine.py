"""The machine against its sum over pairs, and what it reads."""

import itertools
import math

import numpy as np
import polars as pl
import pytest
import torch

from benchmarks.fields.fit import FieldTraining, fit_machine
from benchmarks.fields.machine import FactorisationMachine
from benchmarks.fields.rows import UNKNOWN, FieldRows, Fields, Histories


def rows_with_lists() -> FieldRows:
    """Return three rows of two fields, and lists of 2, 0 and 3 codes cut out of two longer ones."""
    lists = Histories(np.array([0, 0, 3]), np.array([2, 0, 3]), np.array([1, 4, 2, 3, 3, 1, 2]))
    return FieldRows(np.array([[0, 5], [1, 6], [2, 5]]), (lists,))


def test_it_is_the_sum_over_pairs_of_fields() -> None:
    torch.manual_seed(0)
    model, rows = FactorisationMachine(7, 3), rows_with_lists()
    with torch.no_grad():
        model.table.normal_()
        model.offset.fill_(0.3)
    table, codes = model.table.detach().double().numpy(), [[1, 4], [], [3, 3, 1]]
    for row, of_list in enumerate(codes):
        fields = [table[code] for code in rows.code_BF[row]]
        fields.append(np.mean([table[code] for code in of_list], axis=0) if of_list else np.zeros(4))
        pairs = sum(float(a[1:] @ b[1:]) for a, b in itertools.combinations(fields, 2))
        expected = 0.3 + sum(field[0] for field in fields) + pairs
        assert model.scores(rows)[row] == pytest.approx(expected, rel=1e-5)


def test_a_batch_has_the_lists_of_its_rows() -> None:
    codes, starts = rows_with_lists().histories[0].bags(np.array([2, 1, 0, 1]))
    assert codes.tolist() == [3, 3, 1, 1, 4]
    assert starts.tolist() == [0, 3, 3, 5]


def test_what_is_rare_or_new_shares_one_code_of_its_field() -> None:
    train = pl.DataFrame({"user": [7, 7, 9, 9, 9, 3], "tab": ["b", "a", "a", "b", "a", "b"]})
    fields = Fields.known_from(train, min_count=2)
    assert fields.size == 3 + 3
    found = fields.codes(pl.DataFrame({"user": [3, 9, 7, 1000, None], "tab": ["a", "b", "c", None, "a"]}))
    assert found[:, 0].tolist() == [UNKNOWN, 2, 1, UNKNOWN, UNKNOWN]
    assert found[:, 1].tolist() == [4, 5, 3, 3, 4]


@pytest.mark.slow
def test_the_epoch_with_most_of_the_criterion_is_kept_and_a_seed_decides_the_bytes() -> None:
    rng = np.random.default_rng(0)
    rows = FieldRows(np.stack([rng.integers(0, 4, 400), 4 + rng.integers(0, 4, 400)], axis=1))
    # Only the pair tells the label: no sum over single fields can.
    label_B = ((rows.code_BF.sum(axis=1) % 2) == 0).astype(float)
    training = FieldTraining(factors=4, batch_size=50, learning_rate=0.05, max_epochs=8, patience=8)
    seen: list[float] = []

    def criterion(model: FactorisationMachine) -> float:
        seen.append(float(np.mean((model.scores(rows) > 0) == label_B)))
        return seen[-1]

    first = fit_machine(rows, label_B, 8, training, criterion, seed=1)
    assert max(seen) == 1.0
    assert first.best_epoch == 1 + seen.index(1.0)
    assert np.mean((first.model.scores(rows) > 0) == label_B) == 1.0
    again, other = (fit_machine(rows, label_B, 8, training, criterion, seed=seed) for seed in (1, 2))
    assert (
        first.model.scores(rows).tobytes() == again.model.scores(rows).tobytes() != other.model.scores(rows).tobytes()
    )


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_the_fit() -> None:
    rows = FieldRows(np.zeros((4, 1), dtype=np.int64))
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        fit_machine(rows, np.full(4, math.nan), 1, FieldTraining(), lambda model: 0.0, 0)
