from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.pairs.coat import read_coat
from benchmarks.pairs.data import PairData
from benchmarks.pairs.gate import LeakedPairs, common_pairs, refuse_common_pairs, refuse_more_common_pairs_than_chance
from benchmarks.pairs.splits import HONEST, LITERATURE, folds, hold_out, judged_rows


def leaked(data: PairData, share: float) -> PairData:
    """Return the data with a share of the test ratings copied into train, where they are not yet."""
    fresh = np.flatnonzero(~common_pairs(data.train, data.test, data.num_items))
    copied = np.random.default_rng(1).choice(fresh, round(share * len(data.test)), replace=False)
    return replace(data, train=data.train.joined(data.test.subset(copied)))


def test_coat_has_4640_and_4274_test_rows(shared_data: Callable[[str], Path]) -> None:
    data = read_coat(shared_data("coat"))
    assert len(data.train) == 6960
    assert len(judged_rows(data, LITERATURE)) == 4640
    assert len(judged_rows(data, HONEST)) == 4274
    assert data.liked(data.train).mean() == pytest.approx(0.520, abs=5e-4)
    assert data.liked(data.test).mean() == pytest.approx(0.401, abs=5e-4)


@pytest.mark.parametrize("variant", [LITERATURE, HONEST], ids=lambda variant: variant.name)
def test_the_gate_trips_on_5_percent_of_coats_test_pairs_in_train(
    shared_data: Callable[[str], Path], variant: object
) -> None:
    data = leaked(read_coat(shared_data("coat")), 0.05)
    with pytest.raises(LeakedPairs, match="in both train and test"):
        judged_rows(data, variant)


def test_chance_alone_does_not_trip_the_gate_and_a_leak_does(small: PairData) -> None:
    refuse_more_common_pairs_than_chance(small)
    with pytest.raises(LeakedPairs):
        refuse_more_common_pairs_than_chance(leaked(small, 0.2))


def test_pairs_on_both_sides_are_refused_unless_the_variant_keeps_them(small: PairData) -> None:
    with pytest.raises(LeakedPairs, match="test pairs are in the training ratings"):
        refuse_common_pairs(small.train, small.test, small.num_items)
    refuse_common_pairs(small.train, judged_rows(small, HONEST), small.num_items)
    assert len(judged_rows(small, LITERATURE)) == len(small.test)


def test_hold_out_takes_its_share_of_every_user(small: PairData) -> None:
    fit, held_out = hold_out(small.train, 0.1, seed=3)
    both = np.sort(np.concatenate([fit.pairs(small.num_items), held_out.pairs(small.num_items)]))
    assert np.array_equal(both, np.sort(small.train.pairs(small.num_items)))
    total_U, held_U = np.bincount(small.train.user_B), np.bincount(held_out.user_B, minlength=small.num_users)
    assert np.array_equal(held_U, np.where(total_U > 1, np.maximum(np.rint(0.1 * total_U), 1), 0))
    other = hold_out(small.train, 0.1, seed=4)[1]
    assert not np.array_equal(np.sort(other.pairs(small.num_items)), np.sort(held_out.pairs(small.num_items)))


def test_folds_hold_every_rating_out_once(small: PairData) -> None:
    pairs = np.concatenate([held_out.pairs(small.num_items) for _, held_out in folds(small.train, 5, seed=0)])
    assert np.array_equal(np.sort(pairs), np.sort(small.train.pairs(small.num_items)))
    for fit, held_out in folds(small.train, 5, seed=0):
        refuse_common_pairs(fit, held_out, small.num_items)
