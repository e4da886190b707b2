"""Ranks of fields, and Spearman's correlation against scipy's."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from tasks.attribution.ranks import agreement, ranks


def test_the_highest_score_is_first_and_equal_ones_go_by_name() -> None:
    assert ranks(np.array([0.1, 3.0, 0.1, 0.5]), ("d", "c", "b", "a")) == (4, 1, 3, 2)


def test_agreement_is_spearmans_with_ties() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        first, second = random.integers(5, size=12).astype(float), random.normal(size=12)
        assert agreement(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert np.isnan(agreement(np.ones(4), np.arange(4.0)))
