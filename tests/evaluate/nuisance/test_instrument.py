"""The instrument against its closed form, known effects, and the twin that needs exclusion."""

import numpy as np
import pytest

from tasks.core.errors import ContractError
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.nuisance.instrument import audit, slope


def world(
    rows: int, seed: int, spread: float = 1.0, direct: float = 0.5, users: int | None = None
) -> dict[str, np.ndarray | Groups]:
    """Effect 1 of an exposure that something hidden moves with the outcome; the instrument moves its mean and its spread."""
    draw = np.random.default_rng(seed)
    known = draw.normal(size=(rows, 1))
    instrument = (draw.random(rows) < 0.5).astype(float)
    hidden = draw.normal(size=rows)
    exposure = 0.5 * instrument + known[:, 0] + hidden + (1 + spread * instrument) * draw.normal(size=rows)
    outcome = exposure + direct * instrument - known[:, 0] + 1.5 * hidden + 0.7 * draw.normal(size=rows)
    unit = np.arange(rows) if users is None else draw.integers(0, users, rows)
    return {
        "instrument_B": instrument,
        "exposure_B": exposure,
        "outcome_B": outcome,
        "input_BF": known,
        "users": Groups(unit, rows if users is None else users),
    }


def test_a_binary_instrument_compares_covariances() -> None:
    found = world(3000, 0) | {"input_BF": np.empty((3000, 0))}
    at = [found["instrument_B"] == side for side in (1, 0)]
    moments = [np.cov(found["exposure_B"][side], found["outcome_B"][side], bias=True) for side in at]
    expected = (moments[0][0, 1] - moments[1][0, 1]) / (moments[0][0, 0] - moments[1][0, 0])
    means = [(found["outcome_B"][side].mean(), found["exposure_B"][side].mean()) for side in at]
    assert audit(**found).value == pytest.approx(expected)
    assert audit(**found).wald == pytest.approx((means[0][0] - means[1][0]) / (means[0][1] - means[1][1]))


def test_a_direct_effect_moves_the_wald_ratio_and_not_this() -> None:
    found = [audit(**world(2000, seed)) for seed in range(60)]
    values = np.array([one.value for one in found])
    assert abs(values.mean() - 1) < 4 * values.std() / np.sqrt(60)
    assert np.mean([one.wald for one in found]) == pytest.approx(2, abs=0.1), (
        "the wrong twin: off by direct over first stage"
    )
    assert np.mean([one.regression for one in found]) == pytest.approx(1.44, abs=0.03)
    held = np.mean([abs(one.value - 1) < 1.96 * one.standard_error for one in found])
    assert held >= 0.88
    assert np.mean([one.standard_error for one in found]) == pytest.approx(values.std(), rel=0.25)


@pytest.mark.parametrize("seed", range(5))
def test_equal_variances_are_refused_without_a_number(seed: int) -> None:
    found = audit(**world(3000, seed, spread=0.0))
    assert found.value is None and found.standard_error is None
    assert found.p >= 1e-3 and "does not depend on the instrument" in found.reason
    assert np.isfinite(found.wald)


def test_the_test_of_variances_keeps_its_level_for_rows_of_the_same_user() -> None:
    """Every row four times under one user: p must be that of the rows once; taken as independent, they would look like evidence."""
    one = world(500, 3, spread=0.08)
    four = {name: np.tile(values, (4, 1) if values.ndim == 2 else 4) for name, values in one.items() if name != "users"}
    clustered = audit(**four, users=Groups(np.tile(np.arange(500), 4), 500))
    apart = audit(**four, users=Groups(np.arange(2000), 2000))
    assert clustered.p == pytest.approx(audit(**one).p)
    assert apart.p < 0.3 * clustered.p


def test_a_slope_that_nothing_chose() -> None:
    draw = np.random.default_rng(0)
    users = Groups(draw.integers(0, 200, 2000), 200)
    effect = draw.normal(size=200)[users.code_B]
    exposure, known = draw.integers(0, 10, 2000).astype(float), draw.normal(size=(2000, 1))
    value, error = slope(exposure, 0.3 * exposure + known[:, 0] + effect + draw.normal(size=2000), known, users)
    assert abs(value - 0.3) < 3 * error
    assert 0.005 < error < 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instrument_B": np.ones(50)}, "the instrument is 1 in all 50 rows"),
        ({"exposure_B": np.ones(50)}, "the exposure is 1 in all 50 rows"),
        ({"outcome_B": np.full(50, np.nan)}, "not finite"),
        ({"exposure_B": np.ones(49)}, "per row"),
    ],
)
def test_what_cannot_be_audited_is_refused(change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        audit(**(world(50, 0) | change))
