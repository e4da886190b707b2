"""Calibration errors by bin: M8 and the cases with nothing to divide by."""

import numpy as np
import pytest

from tasks.evaluate.metrics.calibration import (
    assign_bins,
    bin_calibration,
    dce_max,
    dce_rel,
    dce_s,
    ece,
    pce,
    quantile_edges,
)
from tasks.evaluate.metrics.groups import encode_groups


def test_m8(m8):
    bins = encode_groups(m8.duration)
    table = bin_calibration(m8.label, m8.prediction, bins)
    np.testing.assert_allclose(table.relative_G, [-0.12, 0.5, -1 / 3])
    assert table.rows_G.tolist() == [5, 2, 1]
    assert dce_rel(m8.label, m8.prediction, bins).value == pytest.approx(0.241667, abs=1e-6)
    assert dce_s(m8.label, m8.prediction, bins).value == pytest.approx(2.0)
    assert dce_max(m8.label, m8.prediction, bins, m8.users).value == pytest.approx(0.5)


def test_opposite_errors_do_not_cancel_as_in_tre():
    label, prediction = np.array([2.0, 40.0]), np.array([12.0, 30.0])
    bins = encode_groups(np.array([5, 60]))
    assert label.sum() == prediction.sum()
    assert dce_s(label, prediction, bins).value == 10.0


def test_a_bin_without_watch_reports_seconds_only():
    label, prediction = np.array([0.0, 0.0, 10.0]), np.array([1.0, 3.0, 15.0])
    bins = encode_groups(np.array([1, 1, 2]))
    table = bin_calibration(label, prediction, bins)
    assert np.isnan(table.relative_G[0])
    assert table.difference_G.tolist() == [2.0, 5.0]
    relative = dce_rel(label, prediction, bins).result()
    assert (relative.value, relative.num_rows, relative.num_groups, relative.num_dropped) == (0.5, 1, 1, 1)
    assert dce_s(label, prediction, bins).value == pytest.approx(3.0)
    assert np.isnan(dce_rel(np.zeros(3), prediction, bins).value)
    assert np.isnan(dce_max(np.zeros(3), prediction, bins).value)


def test_empty_bins_are_ignored():
    bins = assign_bins(np.array([1.0, 9.0]), np.array([2.0, 3.0, 4.0]))
    result = dce_s(np.array([1.0, 9.0]), np.array([2.0, 6.0]), bins).result()
    assert (result.value, result.num_groups, result.num_dropped) == (2.0, 2, 0)


def test_quantile_bins_have_equal_counts_and_keep_ties_together():
    values = np.arange(100.0)
    assert assign_bins(values, quantile_edges(values, 10)).rows().tolist() == [10] * 10
    tied = np.array([1.0] * 50 + [2.0] * 50)
    bins = assign_bins(tied, quantile_edges(tied, 10))
    assert len(set(bins.code_B[:50])) == 1
    with pytest.raises(ValueError, match="0 bins"):
        quantile_edges(values, 0)


def test_pce_and_ece_bin_by_the_prediction():
    generator = np.random.default_rng(13)
    probability = generator.random(3000)
    label = generator.random(3000) < probability
    order = np.argsort(probability)
    expected = np.mean([abs(probability[part].mean() - label[part].mean()) for part in np.split(order, 15)])
    assert ece(label, probability).value == pytest.approx(expected)
    relative = [abs(probability[part].sum() / label[part].sum() - 1) for part in np.split(order, 10)]
    assert pce(label, probability).value == pytest.approx(np.mean(relative))
    assert ece(label, label).value == 0.0
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        ece(3 * label, probability)
