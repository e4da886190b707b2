"""The seven labels of a play, by hand at their edges."""

import numpy as np
import pytest

from models.correction.viewing_labels import FIXED, LEVELS, Percentiles, viewing_labels
from models.heads.base import TrainLabels

PERCENTILES = Percentiles(duration_s=np.array([10.0, 50.0]), watch_s=np.array([[6.0, 14.0], [8.0, 24.0], [9.0, 49.0]]))
"""Between 10 and 50 s they grow by .2, .4 and 1 s per second."""

CASES = {
    "svr": [(0, 10, 0), (0.001, 10, 1), (3, 10, 1), (3.001, 10, 0), (2, 2, 1), (30, 30, 0)],
    "fpr": [(3, 3, 0), (3.001, 3.001, 1), (9.999, 10, 0), (10, 10, 1), (11, 10, 1), (2, 2, 0)],
    "evr": [(6.999, 6.999, 0), (7, 7, 1), (7, 8, 0), (17.999, 60, 0), (18, 60, 1), (20, 5, 1), (0, 5, 0)],
    "lvr": [
        *[(18, 3, 0), (18.001, 3, 1), (18.001, 3.001, 1), (7, 3.001, 1), (6.7, 3.001, 0)],
        *[(40, 40, 0), (40.001, 40, 1), (40.001, 60, 1), (40, 60, 0), (13, 10, 0), (13.001, 10, 1)],
    ],
    "evr_p60": [(6, 5, 0), (6.001, 5, 1), (10, 30, 0), (10.001, 30, 1), (14.001, 90, 1)],
    "lvr_p80": [(8, 10, 0), (8.001, 10, 1), (16, 30, 0), (16.001, 30, 1), (24.001, 90, 1)],
    "lvr_p90": [(9, 10, 0), (9.001, 10, 1), (29, 30, 0), (29.001, 30, 1), (49.001, 90, 1)],
}


def test_there_are_cases_enough() -> None:
    assert sum(map(len, CASES.values())) >= 40
    assert tuple(CASES) == (*FIXED, *LEVELS)


@pytest.mark.parametrize("name", CASES)
def test_by_hand(name: str) -> None:
    watch_s, duration_s, expected = (np.array(column, dtype=float) for column in zip(*CASES[name], strict=True))
    found = viewing_labels(watch_s, duration_s, PERCENTILES)[:, list(CASES).index(name)]
    np.testing.assert_array_equal(found, expected)


def test_percentiles_are_those_of_the_fit_rows_of_a_duration() -> None:
    rng = np.random.default_rng(0)
    duration_s = np.repeat(np.arange(1.0, 11.0) * 6, 200)
    train = TrainLabels(duration_s * rng.random(2_000), duration_s)
    found = Percentiles.fit(train)(np.array([30.0, 33.0]))
    for place, level in enumerate(LEVELS.values()):
        at = {seconds: np.quantile(train.watch_s[duration_s == seconds], level) for seconds in (30.0, 36.0)}
        np.testing.assert_allclose(found[place], [at[30.0], (at[30.0] + at[36.0]) / 2])
