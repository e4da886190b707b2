"""Out-of-core XAUC equals the in-memory value, whatever the partitions."""

import numpy as np
import pytest

from tasks.evaluate.metrics.pairwise import xauc
from tasks.evaluate.metrics.partitioned import (
    combine_partitions,
    partition_of,
    prediction_edges,
    summarise_partition,
)


def _partitioned(label, prediction, num_partitions, label_unit):
    edges = prediction_edges(prediction[::3], num_partitions)
    part = partition_of(prediction, edges)
    return combine_partitions(
        [summarise_partition(label[part == one], prediction[part == one], label_unit) for one in range(edges.size + 1)]
    )


@pytest.mark.parametrize("num_partitions", [1, 2, 7, 64])
@pytest.mark.parametrize("label_unit", ["s", "ms"])
def test_equals_in_memory(num_partitions, label_unit):
    generator = np.random.default_rng(8)
    label = np.exp(generator.normal(1, 1.5, 3000)).round(3)
    continuous = np.log1p(label) + generator.normal(size=3000)
    for prediction in (continuous, continuous.round(1), np.full(3000, 4.0)):
        exact = xauc(label, prediction, label_unit)
        result = _partitioned(label, prediction, num_partitions, label_unit)
        assert result.value == pytest.approx(exact.value, abs=1e-12)
        assert result.num_rows == 3000


def test_without_a_comparable_pair_is_nan():
    assert np.isnan(combine_partitions([]).value)
    assert np.isnan(combine_partitions([summarise_partition(np.array([4.0]), np.array([1.0]))]).value)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="negative"):
        summarise_partition(np.array([-2.0]), np.array([1.0]))
    with pytest.raises(ValueError, match="at least 1 partition, got 0 rows"):
        prediction_edges(np.array([]), 4)
    with pytest.raises(ValueError, match="NaN or infinite"):
        partition_of(np.array([np.nan]), np.array([0.0]))
