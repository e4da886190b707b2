"""Calibrated propensities: a curve from what a model says to the share that was observed, fitted on held-out rows.

Source: docs/methods/debias.md#propensity-models (arXiv 2303.12973). Weights stand for the rows of D each row
represents.
"""

from typing import Literal

import numpy as np

from models.propensity.base import Bools, Floats, PropensityState

_TRUSTED = 1e-9
"""How far from 0 and 1 a propensity is kept before its log-odds are taken."""


def fit_calibration(
    kind: Literal["platt", "isotonic"], propensity: Floats, observed: Bools, stands_for: Floats
) -> PropensityState:
    """Return the state of a calibration curve.

    Args:
        kind: logistic in the log-odds, or non-decreasing.
        propensity: [rows] predictions of rows that the model was not fitted on.
        observed: [rows].
        stands_for: [rows] rows of D each row stands for.

    Raises:
        ValueError: if only observed or only unobserved rows are given.
    """
    if observed.all() or not observed.any():
        raise ValueError(
            f"calibrating propensities needs observed and unobserved rows, and all {len(observed)} held-out rows are "
            f"{'observed' if observed.any() else 'unobserved'}: selection.kind 'impression' has no unobserved rows; set "
            "propensity.calibration to 'none' or choose selection.kind 'click' or 'candidate'"
        )
    if kind == "platt":
        return {"coefficients": _platt(_log_odds(propensity), observed, stands_for)}
    from sklearn.isotonic import IsotonicRegression  # seconds to load: for who fits curves, not for who reads them

    fit = IsotonicRegression().fit(propensity, observed.astype(np.float64), sample_weight=stands_for)
    least = 0.5 / stands_for.sum()  # half a row, for a block without an observed one
    return {"x": fit.X_thresholds_, "y": np.clip(fit.y_thresholds_, least, 1.0)}


def calibrated(kind: Literal["platt", "isotonic"], state: PropensityState, propensity: Floats) -> Floats:
    """Return calibrated propensities, [rows] in (0, 1]; NaN stays NaN."""
    if kind == "isotonic":
        return np.interp(propensity, state["x"], state["y"])
    from scipy.special import expit

    slope, intercept = state["coefficients"]
    found: Floats = expit(slope * _log_odds(propensity) + intercept)
    return found


def _log_odds(propensity: Floats) -> Floats:
    inside = np.clip(propensity, _TRUSTED, 1 - _TRUSTED)
    return np.log(inside) - np.log1p(-inside)


def _platt(log_odds: Floats, observed: Bools, stands_for: Floats) -> Floats:
    """Return slope and intercept of the weighted logistic regression with Platt's smoothed targets."""
    from scipy.optimize import minimize  # half a second to load: for who fits a curve
    from scipy.special import expit

    positives, negatives = stands_for[observed].sum(), stands_for[~observed].sum()
    # Platt's targets instead of 0 and 1: with separable rows the slope would run to infinity.
    target = np.where(observed, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    share = stands_for / stands_for.sum()

    def loss(coefficients: Floats) -> tuple[float, Floats]:
        logit = coefficients[0] * log_odds + coefficients[1]
        gap = share * (expit(logit) - target)
        # Cross-entropy as log(1 + e^z) - t z, which overflows for no logit.
        return (share * (np.logaddexp(0, logit) - target * logit)).sum(), np.array([(gap * log_odds).sum(), gap.sum()])

    found: Floats = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    return found
