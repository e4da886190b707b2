"""The floors of docs/methods/debias.md#floors-on-coat, to the printed digits."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.pairs.coat import read_coat
from benchmarks.pairs.data import PairData
from benchmarks.pairs.floors import FLOORS, one_hot_ids
from benchmarks.pairs.scoring import Judge
from benchmarks.pairs.splits import HONEST, LITERATURE

METRICS = ("auc", "user_auc", "ndcg@5", "recall@5", "f1@5")
REFERENCE = {
    "random": ((0.498, 0.500, 0.461, 0.304, 0.346), (0.500, 0.500, 0.448, 0.340, 0.372)),
    "item exposure count": ((0.540, 0.557, 0.508, 0.345, 0.384), (0.537, 0.554, 0.496, 0.376, 0.404)),
    "item positive rate, 5 pseudo-counts": ((0.623, 0.673, 0.624, 0.437, 0.472), (0.615, 0.659, 0.604, 0.472, 0.491)),
    "user positive rate, 5 pseudo-counts": ((0.734, 0.493, 0.457, 0.299, 0.341), (0.734, 0.502, 0.447, 0.341, 0.374)),
    "sum of the two log-odds": ((0.769, 0.673, 0.624, 0.438, 0.472), (0.762, 0.659, 0.604, 0.472, 0.491)),
    "logistic regression, ids": ((0.774, 0.683, 0.636, 0.445, 0.480), (0.768, 0.672, 0.613, 0.474, 0.495)),
    "logistic regression, ids + features + crosses": (
        (0.790, 0.721, 0.690, 0.486, 0.518),
        (0.783, 0.712, 0.669, 0.519, 0.533),
    ),
}
ROUNDING = 0.0011
"""Half a printed digit on either side."""
TIES = {"random": 0.02, "user positive rate, 5 pseudo-counts": 0.015, "item exposure count": 0.003}
"""Floors whose order is wholly or partly random."""


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCE)
def test_floors_are_those_of_the_specification(shared_data: Callable[[str], Path], name: str) -> None:
    data = read_coat(shared_data("coat"))
    score_UI = FLOORS[name](data, data.train)
    for variant, reference in zip((LITERATURE, HONEST), REFERENCE[name], strict=True):
        found = Judge(data, variant, replicates=2).ranking(score_UI, tie_orders=5 if name in TIES else 1)
        measured = tuple(found[metric].value for metric in METRICS)
        assert measured == pytest.approx(reference, abs=TIES.get(name, ROUNDING)), variant.name


def test_one_hot_rows_are_in_the_order_of_pair_codes(small: PairData) -> None:
    design = one_hot_ids(small)
    code = 17 * small.num_items + 5
    assert design[code].indices.tolist() == [17, small.num_users + 5]
