"""Percentiles in a fixed reference."""

import numpy as np
import pytest
from scipy.stats import percentileofscore

from models.fusion.rank_average import MAX_KNOTS, ReferenceScores, rank_average


def test_percentiles_are_mid_ranks_of_the_reference() -> None:
    reference = np.random.default_rng(0).integers(0, 40, 500).astype(float)
    values = np.unique(reference)
    expected = [percentileofscore(reference, value, kind="mean") / 100 for value in values]
    np.testing.assert_allclose(ReferenceScores.fit(reference)(values), expected, atol=1e-12)


def test_many_values_are_thinned_to_a_curve_that_stays_close() -> None:
    reference = np.random.default_rng(1).normal(size=20_000)
    curve = ReferenceScores.fit(reference)
    assert len(curve.score) == MAX_KNOTS
    exact = (np.argsort(np.argsort(reference)) + 0.5) / len(reference)
    assert np.abs(curve(reference) - exact).max() < 1 / MAX_KNOTS


def test_a_percentile_does_not_depend_on_what_is_scored_with_it() -> None:
    curve = ReferenceScores.fit(np.arange(100.0))
    alone, together = curve(np.array([30.5])), curve(np.array([1.0, 30.5, 99.0]))
    assert alone[0] == together[1]


def test_values_outside_the_reference_take_its_ends() -> None:
    curve = ReferenceScores.fit(np.array([1.0, 2.0]))
    assert curve(np.array([-9.0, 9.0])).tolist() == [0.25, 0.75]


def test_average_weighs_every_score_alike() -> None:
    assert rank_average([np.array([0.1, 0.5]), np.array([0.3, 0.9])]).tolist() == pytest.approx([0.2, 0.7])


def test_an_empty_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one score"):
        ReferenceScores.fit(np.array([]))
