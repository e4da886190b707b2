"""Rows of which some have an outcome, with a known mean."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit

from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.nuisance.grid import PartlyObserved

Drawn = Callable[..., PartlyObserved]
TRUTH = 3.0
"""Mean outcome of all rows."""


def draw_rows(rows: int, seed: int, bend: float = 0.0) -> PartlyObserved:
    """Return rows whose exposure and outcome both depend on what is known of them; two rows of a user share an effect.

    Args:
        rows: N, even.
        seed: of the draw.
        bend: of both along the square of the second column, which no linear learner sees.
    """
    draw = np.random.default_rng(seed)
    input_NF = draw.normal(size=(rows, 3))
    bent_N = np.square(input_NF[:, 1]) - 1
    observed_N = draw.random(rows) < expit(-0.3 + 0.9 * input_NF[:, 0] + bend * bent_N)
    user_N = np.arange(rows) // 2
    effect_N = draw.normal(0, 0.7, rows // 2)[user_N]
    outcome_N = TRUTH + 1.5 * input_NF[:, 0] + bend * bent_N + effect_N + draw.normal(0, 1, rows)
    return PartlyObserved(
        input_NF, observed_N, np.where(observed_N, outcome_N, np.nan), np.ones(rows), Groups(user_N, rows // 2)
    )


@pytest.fixture
def drawn() -> Drawn:
    """Return the function that draws rows."""
    return draw_rows


@pytest.fixture
def truth() -> float:
    """Mean outcome of all rows of `drawn`."""
    return TRUTH
