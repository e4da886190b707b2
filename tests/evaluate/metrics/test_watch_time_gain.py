"""The gain of a watch time among train plays of its duration, and the pooling of thin durations."""

import numpy as np
import pytest

from tasks.evaluate.metrics.watch_time_gain import GainTable, fit_gain_table, watch_time_gain


def test_m8(m8):
    mean, sd = np.zeros(41), np.ones(41)
    mean[[10, 20, 40]], sd[[10, 20, 40]] = [4, 3, 20], [2, 1, 10]
    gain = watch_time_gain(m8.label, m8.duration, GainTable(mean, sd))
    assert gain.tolist() == [-2, 1, 3, 1, 2, -1, -1, 0.5]


def test_full_seconds_stand_alone_and_thin_ones_pool_their_neighbours():
    generator = np.random.default_rng(16)
    duration = np.array([10] * 30 + [11] * 5 + [13] * 25)
    label = generator.uniform(0, duration)
    table = fit_gain_table(label, duration + 0.3)
    assert table.mean_D[10] == pytest.approx(label[:30].mean())
    assert table.sd_D[10] == pytest.approx(label[:30].std())
    assert table.mean_D[11] == pytest.approx(label[:35].mean())
    assert table.mean_D[12] == pytest.approx(label[30:].mean())
    assert table.mean_D[0] == pytest.approx(label[:30].mean())
    assert table.sd_D.size == 14
    longer = watch_time_gain(np.array([5.0]), np.array([400.0]), table)
    assert longer == pytest.approx((5 - table.mean_D[13]) / table.sd_D[13])


def test_a_duration_with_constant_watch_pools_too():
    table = fit_gain_table(np.array([5.0] * 20 + [1.0, 9.0] * 10), np.array([5] * 20 + [6] * 20))
    assert table.sd_D[5] == pytest.approx(np.std([5.0] * 20 + [1.0, 9.0] * 10))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="need 20 rows or more"):
        fit_gain_table(np.arange(19), np.ones(19))
    with pytest.raises(ValueError, match="varying labels"):
        fit_gain_table(np.ones(30), np.ones(30))
    table = fit_gain_table(np.arange(30), np.ones(30))
    with pytest.raises(ValueError, match="negative"):
        watch_time_gain(np.ones(1), -np.ones(1), table)
