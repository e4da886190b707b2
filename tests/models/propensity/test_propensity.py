"""Propensity models: popularity by hand, logged probabilities and their gaps."""

import numpy as np
import pytest

from models.propensity import PROPENSITIES
from models.propensity.base import Exposures
from models.propensity.logged import Logged, LoggedConfig
from models.propensity.popularity import Popularity, PopularityConfig

NAN = float("nan")


def rows(item: list[int], logged: list[float] | None = None, random: list[int] | None = None) -> Exposures:
    size = len(item)
    return Exposures(
        item=np.array(item, dtype=np.int64),
        logged=np.array(logged or [NAN] * size),
        random=np.array(random or [0] * size, dtype=bool),
    )


TRAIN = rows([1, 1, 1, 1, 2, 3, 3], random=[0, 0, 0, 0, 0, 0, 1])


def test_popularity_by_hand() -> None:
    """Item 3's random row is not the policy's; items 0 and 9 were never seen and count as seen once."""
    config = PopularityConfig(eta=0.5)
    model = Popularity(config, Popularity.fit_state(config, TRAIN))
    asked = rows([1, 2, 3, 0, 9, 2], random=[0, 0, 0, 0, 0, 1])
    assert model.apply(asked).tolist() == pytest.approx([1, 0.5, 0.5, 0.5, 0.5, 1])


def test_popularity_needs_rows_of_the_policy() -> None:
    with pytest.raises(ValueError, match="all train rows are random"):
        Popularity.fit_state(PopularityConfig(), rows([1], random=[1]))


def test_logged_probabilities_are_returned_as_they_are() -> None:
    model = Logged(LoggedConfig(), {})
    assert model.apply(rows([1, 2, 3], [0.2, 1.0, NAN], [0, 0, 1])).tolist() == [0.2, 1.0, 1.0]


def test_a_gap_in_the_log_is_an_error_by_default() -> None:
    with pytest.raises(
        ValueError, match=r"1 of 3 rows have no logged propensity \(first: row 1\); set propensity.unkn"
    ):
        Logged(LoggedConfig(), {}).apply(rows([1, 2, 3], [0.2, NAN, 0.1]))


def test_a_gap_may_take_the_popularity() -> None:
    config = LoggedConfig(unknown="popularity", eta=1.0)
    model = Logged(config, Logged.fit_state(config, TRAIN))
    assert model.apply(rows([1, 2, 2], [0.3, NAN, NAN], [0, 0, 1])).tolist() == [0.3, 0.25, 1.0]


@pytest.mark.parametrize("value", [0.0, -0.1, 1.5])
def test_a_logged_value_outside_its_range_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=rf"logged propensity {value} of row 1 is not in \(0, 1\]"):
        Logged(LoggedConfig(), {}).apply(rows([1, 2], [0.5, value]))


@pytest.mark.parametrize("kind", PROPENSITIES)
def test_every_propensity_is_a_probability(kind: str) -> None:
    config = PROPENSITIES[kind].Config()
    model = PROPENSITIES[kind](config, PROPENSITIES[kind].fit_state(config, TRAIN))
    p = model.apply(rows([0, 1, 2], [0.1, 0.2, 0.3]))
    assert ((p > 0) & (p <= 1)).all()
