"""Division that says what an undefined quotient is, instead of a warning and an infinity."""

import numpy as np

from tasks.evaluate.metrics.inputs import Array, FloatArray


def ratio(numerator: Array, denominator: Array, undefined: float = float("nan")) -> FloatArray:
    """Returns the element-wise quotient, with `undefined` where the denominator is 0.

    Args:
        numerator: Array of any shape.
        denominator: Array of the same shape.
        undefined: What 0 denominators give.
    """
    quotient: FloatArray = np.full(numerator.shape, undefined)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient
