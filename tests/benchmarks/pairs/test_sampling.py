import numpy as np
import pytest
import torch

from benchmarks.pairs.data import PairData
from benchmarks.pairs.sampling import PairSampler, pair_sampler
from benchmarks.pairs.splits import hold_out


def sampler(small: PairData, sampling: str, batch_size: int = 64) -> PairSampler:
    fit, held_out = hold_out(small.train, 0.1, seed=0)
    propensity_UI = np.random.default_rng(0).random((small.num_users, small.num_items))
    return pair_sampler(small, fit, held_out, propensity_UI, sampling, batch_size, 2.0)


@pytest.mark.parametrize("sampling", ["stratified", "uniform"])
def test_weighted_batches_estimate_the_mean_over_all_pairs(small: PairData, sampling: str) -> None:
    drawn = sampler(small, sampling)
    value_P = torch.from_numpy(np.random.default_rng(5).random(small.num_pairs)).float() + 3 * drawn.observed_P
    everything = torch.cat([drawn.observed, drawn.unobserved])
    generator = torch.Generator().manual_seed(0)
    batches = [batch for _ in range(40) for batch in drawn.epoch(generator)]
    means = [float((b.weight_B * value_P[b.user_B * small.num_items + b.item_B]).sum()) for b in batches]
    error = np.std(means) / np.sqrt(len(means))
    assert abs(np.mean(means) - float(value_P[everything].mean())) < 3 * error + 1e-6
    assert all(float(batch.weight_B.sum()) == pytest.approx(1, abs=1e-5) for batch in batches)


def test_an_epoch_passes_once_over_the_observed_ratings(small: PairData) -> None:
    drawn = sampler(small, "observed")
    batches = list(drawn.epoch(torch.Generator().manual_seed(0)))
    pairs = torch.cat([batch.user_B * small.num_items + batch.item_B for batch in batches])
    assert torch.equal(pairs.sort().values, drawn.observed)
    assert all((batch.observed_B == 1).all() for batch in batches)


def test_held_out_pairs_are_on_neither_side_and_labels_are_right(small: PairData) -> None:
    fit, held_out = hold_out(small.train, 0.1, seed=0)
    drawn = sampler(small, "stratified")
    hidden = torch.from_numpy(held_out.pairs(small.num_items))
    assert not torch.isin(hidden, torch.cat([drawn.observed, drawn.unobserved])).any()
    assert len(drawn.observed) + len(drawn.unobserved) + len(hidden) == small.num_pairs
    assert np.array_equal(drawn.label_P[fit.pairs(small.num_items)].numpy(), small.liked(fit).astype(np.float32))
