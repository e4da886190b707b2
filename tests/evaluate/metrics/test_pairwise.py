"""Pooled XAUC: the vectors of docs/methods/metrics.md#worked-example, brute force, Somers' D, and its invariances."""

import numpy as np
import pytest
from scipy.stats import somersd

from tasks.evaluate.metrics.pairwise import (
    pair_counts,
    pair_label,
    xauc,
    xauc_cwm,
    xauc_sortgt,
    xauc_strict,
)


def _values(label, prediction):
    return [metric(label, prediction).value for metric in (xauc_strict, xauc, xauc_cwm, xauc_sortgt)]


def _fell(counts):
    return [counts.concordant, counts.discordant, counts.tied_label, counts.tied_prediction, counts.tied_both]


def test_m8(m8):
    assert _fell(pair_counts(m8.label, m8.prediction)) == [20, 5, 1, 2, 0]
    assert _values(m8.label, m8.prediction) == pytest.approx([0.714286, 0.777778, 0.785714, 0.75], abs=1e-6)


def test_s1():
    label, prediction = np.array([0, 2, 2, 5, 9, 9]), np.array([1, 3, 1, 3, 2, 8])
    assert _fell(pair_counts(label, prediction)) == [9, 2, 2, 2, 0]
    strict, comparable, cwm, _ = _values(label, prediction)
    assert [strict, comparable, cwm] == pytest.approx([0.6, 10 / 13, 0.733333], abs=1e-6)


def test_s2_and_its_conversions():
    label, prediction = np.array([3, 1, 3, 0, 7]), np.array([0.5, 0.2, 0.9, 0.4, 0.3])
    assert _fell(pair_counts(label, prediction)) == [5, 4, 1, 0, 0]
    strict, comparable, cwm, _ = _values(label, prediction)
    assert [comparable, strict, cwm] == pytest.approx([5 / 9, 0.5, 0.6])
    tau = 0.1
    assert comparable == pytest.approx(strict / (1 - tau))
    assert comparable == pytest.approx((cwm - tau) / (1 - tau))
    assert cwm == pytest.approx(strict + tau)


def test_eight_level_vectors():
    generator = np.random.default_rng(0)
    generator.random(400), generator.random(400)
    v1_label, v1_prediction = generator.integers(0, 8, 400), generator.random(400)
    v2_label, v2_prediction = generator.integers(0, 8, 400), generator.integers(0, 8, 400)
    v3_label, v4_label = generator.integers(0, 8, 400), generator.integers(0, 8, 400)
    assert (v1_label.sum(), v1_label[:5].tolist()) == (1444, [7, 6, 4, 4, 1])
    assert v1_prediction[0] == pytest.approx(0.013008, abs=1e-6)
    assert (v2_label[:5].tolist(), v2_prediction[:5].tolist()) == ([4, 6, 6, 2, 4], [3, 4, 5, 7, 4])
    assert (v3_label.sum(), v3_label[:5].tolist()) == (1254, [6, 0, 3, 4, 0])
    assert (v4_label.sum(), v4_label[:5].tolist()) == (1350, [3, 7, 5, 0, 6])
    table = [
        (v1_label, v1_prediction, [34218, 35688, 9894, 0, 0], [0.4288, 0.4895, 0.5528, 0.4288]),
        (v2_label, v2_prediction, [31415, 29747, 8787, 8651, 1200], [0.3937, 0.5119, 0.5740, 0.4488]),
        (v3_label, np.zeros(400), [0, 0, 0, 69692, 10108], [0, 0.5, 0.5615, 0.4348]),
        (v4_label, v4_label, [69776, 0, 0, 0, 10024], [0.8744, 1, 1, 0.8744]),
    ]
    for label, prediction, fell, values in table:
        assert _fell(pair_counts(label, prediction)) == fell
        assert _values(label, prediction) == pytest.approx(values, abs=5e-5)


def test_equals_brute_force_and_somers_d(brute_counts):
    generator = np.random.default_rng(2)
    for _ in range(200):
        num_rows = int(generator.integers(2, 300))
        label = generator.integers(0, generator.integers(1, 40), num_rows)
        prediction = generator.integers(0, generator.integers(1, 60), num_rows) / 7
        counts = pair_counts(label, prediction)
        assert counts == brute_counts(label, prediction)
        value = xauc(label, prediction).value
        if counts.comparable == 0:
            assert np.isnan(value)
        elif np.unique(prediction).size == 1:
            assert value == 0.5  # scipy's somersd is NaN here
        else:
            assert value == pytest.approx((1 + somersd(label, prediction).statistic) / 2, abs=1e-12)


def test_input_order_variants_equal_their_definition():
    generator = np.random.default_rng(3)
    for _ in range(50):
        label, prediction = generator.integers(0, 6, 40), generator.integers(0, 9, 40)
        ordered = label[np.argsort(-prediction, kind="stable")]
        first, second = np.triu_indices(40, 1)
        assert xauc_cwm(label, prediction).value == pytest.approx((ordered[first] >= ordered[second]).mean())
        assert xauc_sortgt(label, prediction).value == pytest.approx((ordered[first] > ordered[second]).mean())


def test_symmetry_and_invariances():
    generator = np.random.default_rng(4)
    for _ in range(50):
        label, prediction = generator.integers(0, 30, 120), generator.integers(0, 50, 120).astype(float)
        value = xauc(label, prediction).value
        order = generator.permutation(120)
        assert xauc(label, -prediction).value == pytest.approx(1 - value, abs=1e-12)
        assert xauc(label, np.exp(prediction / 9)).value == value
        assert xauc(label**3 + 5, prediction).value == value
        assert xauc(label[order], prediction[order]).value == value
        assert xauc(label, np.ones(120)).value == 0.5
        assert xauc(label, label).value == 1.0


def test_label_unit_rounds_half_to_even_seconds_by_default():
    seconds = np.array([0.5, 1.5, 2.5, 2.5004])
    assert pair_label(seconds).tolist() == [0, 2, 2, 3]
    assert pair_label(seconds, "ms").tolist() == [500, 1500, 2500, 2500]
    assert xauc(np.array([1.0, 1.4]), np.array([2.0, 1.0]), "ms").value == 0.0
    assert np.isnan(xauc(np.array([1.0, 1.4]), np.array([2.0, 1.0])).value)
    with pytest.raises(ValueError, match="'min'"):
        pair_label(seconds, "min")


def test_undefined_is_nan():
    for label in ([], [3], [3, 3]):
        result = xauc(np.array(label), np.arange(len(label)))
        assert np.isnan(result.value)
        assert result.num_groups == 0


def test_non_finite_scores_are_refused():
    for metric in (xauc, xauc_strict, xauc_cwm, xauc_sortgt):
        with pytest.raises(ValueError, match=r"1 of 2 values are NaN or infinite, first at rows \[1\]"):
            metric(np.array([1, 2]), np.array([0.0, np.nan]))
