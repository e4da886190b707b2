"""XGAUC, Video-XAUC and their variants against M8 and a loop over groups."""

import numpy as np
import pytest

from tasks.evaluate.metrics.grouped import grouped_xauc, xgauc_cwm
from tasks.evaluate.metrics.groups import Groups, encode_groups, one_group
from tasks.evaluate.metrics.pairwise import pair_counts, xauc, xauc_cwm


def test_m8(m8):
    by_user = grouped_xauc(m8.label, m8.prediction, m8.users)
    assert by_user.value == pytest.approx(0.690476, abs=1e-6)
    np.testing.assert_allclose(by_user.numerator_U, [4 * 5 / 6, 3 / 2, 0])
    result = by_user.result()
    assert (result.num_rows, result.num_groups, result.num_dropped) == (7, 2, 1)
    assert result.dropped_reason == "groups without a comparable pair"
    by_video = grouped_xauc(m8.label, m8.prediction, m8.videos)
    assert by_video.value == pytest.approx(0.714286, abs=1e-6)
    np.testing.assert_allclose(by_video.numerator_U, [3 * 2 / 3, 2, 2 / 2, 0])


def test_weights_equal_a_loop_over_groups():
    generator = np.random.default_rng(9)
    label, prediction = generator.integers(0, 20, 800), generator.integers(0, 30, 800)
    groups = encode_groups(generator.integers(0, 300, 800))
    value, rows, pairs = [], [], []
    for one in range(groups.num_groups):
        inside = groups.code_B == one
        counts = pair_counts(label[inside], prediction[inside])
        if counts.comparable:
            value.append(xauc(label[inside], prediction[inside]).value)
            rows.append(counts.num_rows)
            pairs.append(counts.comparable)
    for weight, weights in (("rows", rows), ("pairs", pairs), ("equal", None)):
        statistic = grouped_xauc(label, prediction, groups, weight)
        assert statistic.value == pytest.approx(np.average(value, weights=weights), abs=1e-12)
        assert statistic.num_groups == len(value)
    with pytest.raises(ValueError, match="'users'"):
        grouped_xauc(label, prediction, groups, "users")


def test_cwm_variant_equals_a_loop_over_users():
    generator = np.random.default_rng(10)
    label, prediction = generator.integers(0, 4, 600), generator.integers(0, 5, 600)
    users = encode_groups(generator.integers(0, 300, 600))
    total = weight = 0.0
    for one in range(users.num_groups):
        inside = users.code_B == one
        if label[inside].sum() > 0:
            single = inside.sum() == 1
            total += inside.sum() * (1.0 if single else xauc_cwm(label[inside], prediction[inside]).value)
            weight += inside.sum()
    statistic = xgauc_cwm(label, prediction, users)
    assert statistic.value == pytest.approx(total / weight, abs=1e-12)
    assert statistic.num_dropped > 0


def test_one_user_gives_the_global_value_and_single_rows_change_nothing():
    generator = np.random.default_rng(11)
    label, prediction = generator.integers(0, 9, 200), generator.normal(size=200)
    assert grouped_xauc(label, prediction, one_group(200)).value == pytest.approx(xauc(label, prediction).value)
    code = generator.integers(0, 40, 200)
    before = grouped_xauc(label, prediction, Groups(code, 40)).value
    more = Groups(np.append(code, np.arange(40, 60)), 60)
    single_label, single_prediction = generator.integers(0, 9, 20), generator.normal(size=20)
    after = grouped_xauc(np.append(label, single_label), np.append(prediction, single_prediction), more).value
    assert after == before


def test_without_comparable_pairs_is_nan():
    assert np.isnan(grouped_xauc(np.array([1, 2]), np.array([1, 2]), Groups(np.array([0, 1]), 2)).value)


def test_subsets_keep_the_user_codes(m8):
    inside = np.array([True] * 4 + [False] * 4)
    statistic = grouped_xauc(m8.label[inside], m8.prediction[inside], m8.users.subset(inside))
    assert (statistic.num_users, statistic.num_groups, statistic.num_dropped) == (3, 1, 0)
    with pytest.raises(ValueError, match=r"from 0 to 2, allowed is \[0, 2\)"):
        Groups(m8.users.code_B, 2)
