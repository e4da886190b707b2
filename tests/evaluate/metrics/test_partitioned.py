"""Pooled pair accuracy by ranges: the in-memory value and every user's influence, in bounded memory."""

import tracemalloc

import numpy as np
import pytest

from tasks.evaluate.metrics.concordance import row_concordance
from tasks.evaluate.metrics.groups import Groups, one_group
from tasks.evaluate.metrics.pairwise import pair_label, xauc, xauc_influence
from tasks.evaluate.metrics.partitioned import pooled_influence, prediction_edges

ROWS, USERS = 3000, 41


def watched(rows=ROWS):
    generator = np.random.default_rng(8)
    label = np.exp(generator.normal(1, 1.5, rows)).round(3)
    continuous = np.log1p(label) + generator.normal(size=rows)
    return label, continuous, Groups(generator.integers(0, USERS - 1, rows), USERS)


def predictions(continuous):
    """Return scores without ties, with some, with a frequent one, and all alike."""
    half = np.where(np.arange(continuous.size) % 2, continuous, 1.0)
    return [continuous, continuous.round(1), half, np.full(continuous.size, 4.0)]


@pytest.mark.parametrize("num_partitions", [1, 2, 7, 64])
@pytest.mark.parametrize("label_unit", ["s", "ms"])
def test_equals_in_memory(num_partitions, label_unit):
    label, continuous, users = watched()
    for prediction in predictions(continuous):
        exact = xauc(label, prediction, label_unit)
        result = pooled_influence(pair_label(label, label_unit), prediction, users, ROWS // num_partitions)
        assert result.value == pytest.approx(exact.value, abs=1e-12)
        assert result.num_rows == 3000
        assert result.num_groups == USERS - 1


@pytest.mark.parametrize("rows_per_range", [40, 500, 2999])
def test_value_and_influences_are_the_same_to_the_bit_whatever_the_ranges(rows_per_range):
    label, continuous, users = watched()
    code = pair_label(label)
    for prediction in predictions(continuous):
        rows = row_concordance(code, prediction, one_group(ROWS))
        concordant, comparable = users.sum(rows.concordant_B), users.sum(rows.comparable_B)
        value = concordant.sum() / comparable.sum()
        result = pooled_influence(code, prediction, users, rows_per_range)
        assert result.value == value
        assert np.array_equal(result.psi_U, (concordant - value * comparable) / (comparable.sum() / 2))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows():
    def peak(rows):
        label, continuous, users = watched(rows)
        code = pair_label(label)
        largest = []
        for prediction in predictions(continuous):
            tracemalloc.start()
            pooled_influence(code, prediction, users, rows_per_range=1000)
            largest.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        return np.array(largest)

    one_range = peak(1000)
    assert one_range[0] > 100 * 1000
    assert (peak(64_000) < 4 * one_range[0]).all()


def test_without_a_comparable_pair_is_nan():
    nobody = np.array([], dtype=np.int64)
    assert np.isnan(pooled_influence(nobody, np.array([]), Groups(nobody, 0)).value)
    assert np.isnan(pooled_influence(np.array([4]), np.array([1.0]), one_group(1)).value)
    assert np.isnan(pooled_influence(np.array([4, 4]), np.array([1.0, 2.0]), one_group(2), 1).psi_U).all()


def test_labels_may_be_any_whole_numbers():
    label = np.array([-2, 10**15, 7, 7])
    result = pooled_influence(label, np.array([1.0, 3.0, 2.0, 4.0]), one_group(4), rows_per_range=2)
    assert result.value == pytest.approx(4 / 5)


def test_a_frequent_prediction_has_a_range_of_its_own():
    edges = prediction_edges(np.array([1.0, 2, 2, 2, 2, 2, 3, 4]), 4)
    assert {2.0, np.nextafter(2.0, np.inf)} <= set(edges)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="2 labels, 1 predictions, 1 grouped rows: not one table"):
        pooled_influence(np.array([1, 2]), np.array([1.0]), one_group(1))
    with pytest.raises(ValueError, match="at least 1 partition, got 0 rows"):
        prediction_edges(np.array([]), 4)
    with pytest.raises(ValueError, match="NaN or infinite"):
        xauc_influence(np.array([1.0]), np.array([np.nan]), one_group(1))
