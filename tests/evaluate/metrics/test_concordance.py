"""Per-row pair counts against a dense count, and the influence standard error against explicit resamples."""

import numpy as np
import pytest

from tasks.evaluate.metrics import concordance
from tasks.evaluate.metrics.classification import auc, auc_influence
from tasks.evaluate.metrics.concordance import row_concordance
from tasks.evaluate.metrics.groups import Groups, one_group
from tasks.evaluate.metrics.pairwise import xauc, xauc_influence
from tasks.evaluate.metrics.uncertainty import standard_error


def _dense(label, prediction, group):
    same = group[:, None] == group[None, :]
    by_label = np.sign(label[:, None] - label[None, :]) * same
    by_prediction = np.sign(prediction[:, None] - prediction[None, :])
    concordant = (by_label * by_prediction > 0).sum(axis=1) + ((by_label != 0) & (by_prediction == 0)).sum(axis=1) / 2
    return concordant, (by_label != 0).sum(axis=1)


@pytest.mark.parametrize("rows_per_block", [1, 7, 1 << 15])
def test_equals_a_dense_count_for_any_block_size(monkeypatch, rows_per_block):
    monkeypatch.setattr(concordance, "ROWS_PER_BLOCK", rows_per_block)
    generator = np.random.default_rng(5)
    for _ in range(40):
        num_rows, num_groups = int(generator.integers(0, 150)), int(generator.integers(1, 30))
        label = generator.integers(-3, generator.integers(1, 70), num_rows)
        prediction = generator.integers(0, generator.integers(1, 60), num_rows) / 3
        group = generator.integers(0, num_groups, num_rows)
        rows = row_concordance(label, prediction, Groups(group, num_groups))
        concordant, comparable = _dense(label, prediction, group)
        np.testing.assert_array_equal(rows.concordant_B, concordant)
        np.testing.assert_array_equal(rows.comparable_B, comparable)


def test_sums_to_the_pooled_value():
    generator = np.random.default_rng(6)
    label, prediction = generator.integers(0, 300, 5000), generator.normal(size=5000).round(2)
    rows = row_concordance(label, prediction, one_group(5000))
    assert rows.concordant_B.sum() / rows.comparable_B.sum() == pytest.approx(xauc(label, prediction).value, abs=1e-12)


def test_tables_of_different_length_are_refused():
    with pytest.raises(ValueError, match="3 labels, 2 predictions, 3 grouped rows"):
        row_concordance(np.arange(3), np.zeros(2), one_group(3))


@pytest.mark.slow
def test_influence_standard_errors_equal_explicit_user_resamples():
    generator = np.random.default_rng(7)
    user = np.repeat(np.arange(250), generator.integers(1, 9, 250))
    users = Groups(user, 250)
    taste = generator.normal(size=250)[user] + generator.normal(size=user.size)
    label = np.rint(np.exp(1.5 + taste))
    first = 0.6 * taste + generator.normal(size=user.size)
    second = first + 0.5 * generator.normal(size=user.size)
    rows_of = [np.flatnonzero(user == one) for one in range(250)]
    draws = [np.concatenate([rows_of[one] for one in generator.integers(0, 250, 250)]) for _ in range(400)]

    def explicit(metric, target, scores):
        return np.array([[metric(target[rows], score[rows]).value for score in scores] for rows in draws])

    for metric, influence, target in ((xauc, xauc_influence, label), (auc, auc_influence, label > 5)):
        by_draw = explicit(metric, target, (first, second))
        one, two = influence(target, first, users), influence(target, second, users)
        assert one.value == pytest.approx(metric(target, first).value, abs=1e-12)
        assert abs(one.psi_U.sum()) < 1e-12
        assert standard_error(one.psi_U, 250) == pytest.approx(by_draw[:, 0].std(ddof=1), rel=0.12)
        paired = standard_error(one.psi_U - two.psi_U, 250)
        assert paired == pytest.approx((by_draw[:, 0] - by_draw[:, 1]).std(ddof=1), rel=0.12)
        assert paired < standard_error(one.psi_U, 250)


def test_influence_without_a_comparable_pair_is_nan():
    result = xauc_influence(np.array([2, 2]), np.array([0.1, 0.2]), one_group(2))
    assert np.isnan(result.value)
    assert np.isnan(result.psi_U).all()
