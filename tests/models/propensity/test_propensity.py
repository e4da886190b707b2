"""Propensity models: popularity by hand, logged probabilities and their gaps."""

import numpy as np
import pytest

from models.propensity import PROPENSITIES
from models.propensity.base import Exposures
from models.propensity.logged import Logged, LoggedConfig
from models.propensity.popularity import Popularity, PopularityConfig
from tests.models.propensity.conftest import NAN, exposures

TRAIN = exposures([1, 1, 1, 1, 2, 3, 3], random=[0, 0, 0, 0, 0, 0, 1])


def test_popularity_by_hand() -> None:
    """Item 3's random row is not the policy's; items 0 and 9 were never seen and count as seen once."""
    config = PopularityConfig(eta=0.5)
    model = Popularity(config, Popularity.fit_state(config, TRAIN))
    asked = exposures([1, 2, 3, 0, 9, 2], random=[0, 0, 0, 0, 0, 1])
    assert model.apply(asked).tolist() == pytest.approx([1, 0.5, 0.5, 0.5, 0.5, 1])


def test_popularity_counts_observed_rows_only() -> None:
    config = PopularityConfig(eta=1.0)
    state = Popularity.fit_state(config, exposures([1, 1, 2, 2, 2, 2], observed=[1, 1, 1, 0, 0, 0]))
    assert Popularity(config, state).apply(exposures([1, 2])).tolist() == [1.0, 0.5]


def test_popularity_needs_rows_of_the_policy() -> None:
    with pytest.raises(ValueError, match="all train rows are random"):
        Popularity.fit_state(PopularityConfig(), exposures([1], random=[1]))


def test_logged_probabilities_are_returned_as_they_are() -> None:
    model = Logged(LoggedConfig(), {})
    asked = exposures([1, 2, 3], logged=[0.2, 1.0, NAN], random=[0, 0, 1])
    assert model.apply(asked).tolist() == [0.2, 1.0, 1.0]


def test_a_gap_in_the_log_is_an_error_by_default() -> None:
    with pytest.raises(
        ValueError, match=r"1 of 3 rows have no logged propensity \(first: row 1\); set propensity.unkn"
    ):
        Logged(LoggedConfig(), {}).apply(exposures([1, 2, 3], logged=[0.2, NAN, 0.1]))


def test_an_unobserved_row_needs_no_logged_probability() -> None:
    found = Logged(LoggedConfig(), {}).apply(exposures([1, 2], logged=[0.2, NAN], observed=[1, 0]))
    assert found[0] == 0.2 and np.isnan(found[1])


def test_a_gap_may_take_the_popularity() -> None:
    config = LoggedConfig(unknown="popularity", eta=1.0)
    model = Logged(config, Logged.fit_state(config, TRAIN))
    asked = exposures([1, 2, 2], logged=[0.3, NAN, NAN], random=[0, 0, 1])
    assert model.apply(asked).tolist() == [0.3, 0.25, 1.0]


@pytest.mark.parametrize("value", [0.0, -0.1, 1.5])
def test_a_logged_value_outside_its_range_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=rf"logged propensity {value} of row 1 is not in \(0, 1\]"):
        Logged(LoggedConfig(), {}).apply(exposures([1, 2], logged=[0.5, value]))


def both_kinds_of_rows() -> Exposures:
    """Return rows from which every model can learn."""
    fields = {name: np.arange(8) % 2 for name in ("position", "scene", "hour")}
    return exposures(
        [1, 1, 2, 1, 1, 2, 3, 2],
        observed=[1, 1, 1, 1, 1, 0, 0, 0],
        random=[0, 0, 0, 1, 1, 0, 0, 0],
        logged=[0.1, 0.2, 0.3, NAN, NAN, NAN, NAN, NAN],
        label=[1.0, 0.0, 1.0, 0.0, 1.0, NAN, NAN, NAN],
        fields=fields,
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", PROPENSITIES)
def test_every_propensity_is_a_probability_and_1_on_random_rows(kind: str) -> None:
    config, rows = PROPENSITIES[kind].Config(), both_kinds_of_rows()
    p = PROPENSITIES[kind](config, PROPENSITIES[kind].fit_state(config, rows)).apply(rows)
    assert ((p > 0) & (p <= 1))[rows.observed].all()
    assert (p[rows.random] == 1).all()
    assert not (p[rows.chosen] == 1).all()


def test_sampled_rows_stand_for_more() -> None:
    rows = exposures([1, 2, 3], observed=[1, 0, 0], kept=[0.1, 0.1, 0.5])
    assert rows.stands_for.tolist() == [1.0, 10.0, 2.0]


def test_rows_are_chosen_and_joined_with_all_their_columns() -> None:
    rows = both_kinds_of_rows()
    halves = rows.where(np.arange(8) < 3), rows.where(np.arange(8) >= 3)
    joined = halves[0].joined(halves[1])
    assert [len(half) for half in halves] == [3, 5]
    for name in ("item", "user", "observed", "random", "kept"):
        assert getattr(joined, name).tolist() == getattr(rows, name).tolist()
    assert joined.fields["scene"].tolist() == rows.fields["scene"].tolist()
