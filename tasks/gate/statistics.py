"""One-sided normal bounds."""


def lower_bound(delta: float, standard_error: float, z: float) -> float:
    """Return `delta - z * standard_error`; NaN where either is undefined."""
    return delta - z * standard_error


def upper_bound(delta: float, standard_error: float, z: float) -> float:
    """Return `delta + z * standard_error`; NaN where either is undefined."""
    return delta + z * standard_error
