"""An effect from an instrument that may itself move the outcome, and the test without which it says nothing.

Source: docs/methods/debias.md#instrument-with-a-direct-effect (arXiv 1907.11882). All regressions are linear.

Shapes: B rows, F columns, P columns with the constant.
"""

from dataclasses import dataclass

import numpy as np

from tasks.core.errors import ContractError
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.metrics.uncertainty import standard_error

LARGEST_P = 1e-3
"""Of the test that the variance of the exposure depends on the instrument; above it nothing is estimated."""


@dataclass(frozen=True)
class InstrumentAudit:
    """What one unit of exposure does to the outcome, by an instrument.

    Attributes:
        rows: rows of the log.
        p: of the test that the instrument moves the variance of the exposure, without which there is no number.
        value: the effect if the instrument moves the outcome directly too; None where it is refused.
        standard_error: clustered by user; None where it is refused.
        wald: the effect if it does not; NaN where the instrument does not move the exposure's mean.
        regression: the slope of the outcome on the exposure.
        reason: why there is no number; "": there is one.
    """

    rows: int
    p: float
    value: float | None
    standard_error: float | None
    wald: float
    regression: float
    reason: str


def audit(
    instrument_B: FloatArray, exposure_B: FloatArray, outcome_B: FloatArray, input_BF: FloatArray, users: Groups
) -> InstrumentAudit:
    """Estimate the effect of the exposure, or say why that cannot be.

    Args:
        instrument_B: [B] Z.
        exposure_B: [B] D.
        outcome_B: [B] Y.
        input_BF: [B, F] X.
        users: user of each row; they are independent.

    Raises:
        ContractError: if a value is not finite, lengths differ, or instrument or exposure do not vary.
    """
    columns = (instrument_B, exposure_B, outcome_B)
    if len({len(column) for column in (*columns, input_BF, users.code_B)}) != 1:
        raise ContractError(
            "an instrument audit needs one instrument, exposure, outcome, user and row of columns per row"
        )
    if not all(np.isfinite(column).all() for column in (*columns, input_BF)):
        raise ContractError("an instrument audit was given values that are not finite")
    for name, column_B in (("instrument", instrument_B), ("exposure", exposure_B)):
        if np.ptp(column_B) == 0:
            raise ContractError(f"the {name} is {column_B[0]:g} in all {len(column_B)} rows: it tells nothing")
    known_BP = _with_constant(input_BF)
    with_instrument_BP = np.concatenate([known_BP, known_BP * instrument_B[:, None]], axis=1)
    rest_of_instrument_B = _rest(instrument_B, known_BP)
    rest_of_exposure_B = _rest(exposure_B, with_instrument_BP)
    wald = _by_moment(rest_of_instrument_B, outcome_B, exposure_B)
    regression = _by_moment(_rest(exposure_B, known_BP), outcome_B, exposure_B)
    p = variance_test(rest_of_instrument_B, rest_of_exposure_B, known_BP, users)
    if not p < LARGEST_P:
        reason = (
            f"the variance of the exposure does not depend on the instrument (p = {p:.2g}, asked for is below {LARGEST_P:g}): "
            "its direct effect cannot be told apart"
        )
        return InstrumentAudit(len(outcome_B), p, None, None, wald, regression, reason)
    cross_B = rest_of_instrument_B * rest_of_exposure_B
    value = _by_moment(cross_B, outcome_B, exposure_B)
    left_B = outcome_B - value * exposure_B
    by_instrument_B, by_exposure_B = rest_of_instrument_B * left_B, rest_of_exposure_B * left_B
    # Both regressions are estimated: each takes out of the moment what lies along its own columns.
    psi_B = (
        cross_B * left_B
        - rest_of_exposure_B * (by_instrument_B - _rest(by_instrument_B, with_instrument_BP))
        - rest_of_instrument_B * (by_exposure_B - _rest(by_exposure_B, known_BP))
    )
    error = _clustered(psi_B, float((cross_B * exposure_B).sum()), users)
    return InstrumentAudit(len(outcome_B), p, value, error, wald, regression, "")


def slope(exposure_B: FloatArray, outcome_B: FloatArray, input_BF: FloatArray, users: Groups) -> tuple[float, float]:
    """Return the slope of the outcome on an exposure that nothing chose, given X, and its standard error clustered by user.

    Args:
        exposure_B: [B].
        outcome_B: [B].
        input_BF: [B, F].
        users: user of each row.
    """
    known_BP = _with_constant(input_BF)
    free_B = _rest(exposure_B, known_BP)
    value = _by_moment(free_B, outcome_B, exposure_B)
    psi_B = free_B * _rest(outcome_B - value * exposure_B, known_BP)
    return value, _clustered(psi_B, float((free_B * exposure_B).sum()), users)


def variance_test(
    rest_of_instrument_B: FloatArray, rest_of_exposure_B: FloatArray, known_BP: FloatArray, users: Groups
) -> float:
    """Return the p value of no dependence of the squared residual of D on Z given X, chi-square with one degree of freedom.

    Breusch and Pagan's score in Koenker's form, without assuming a normal law, and clustered by user.

    Args:
        rest_of_instrument_B: [B] Z - E[Z | X].
        rest_of_exposure_B: [B] D - E[D | Z, X].
        known_BP: [B, P] X with a constant.
        users: user of each row.
    """
    from scipy.special import chdtrc  # half a second to load: for whoever audits, not for every reader

    score_U = users.sum(rest_of_instrument_B * _rest(np.square(rest_of_exposure_B), known_BP))
    squares = float(np.square(score_U).sum())
    return float(chdtrc(1, score_U.sum() ** 2 / squares)) if squares else 1.0


def _rest(target_B: FloatArray, input_BP: FloatArray) -> FloatArray:
    """Return what a linear regression leaves of a column; columns that say the same share their effect."""
    gram_PP = np.einsum("bp,bq->pq", input_BP, input_BP, optimize=False)
    effect_P = np.linalg.pinv(gram_PP, hermitian=True) @ np.einsum("bp,b->p", input_BP, target_B)
    rest_B: FloatArray = target_B - np.einsum("bp,p->b", input_BP, effect_P)
    return rest_B


def _with_constant(input_BF: FloatArray) -> FloatArray:
    return np.concatenate([np.ones((len(input_BF), 1)), input_BF], axis=1)


def _by_moment(moment_B: FloatArray, outcome_B: FloatArray, exposure_B: FloatArray) -> float:
    """Return sum moment outcome / sum moment exposure; NaN where the moment does not vary with the exposure."""
    below = float((moment_B * exposure_B).sum())
    return float((moment_B * outcome_B).sum()) / below if below else float("nan")


def _clustered(psi_B: FloatArray, below: float, users: Groups) -> float:
    return standard_error(users.sum(psi_B) / below, int((users.rows() > 0).sum()))
