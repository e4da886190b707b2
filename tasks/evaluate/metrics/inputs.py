"""Checks shared by all metrics, so that a bad prediction stops the run instead of moving a number.

Shapes: B rows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def finite(name: str, values_B: Array) -> FloatArray:
    """Returns the column as float64.

    Args:
        name: How errors call the column.
        values_B: [B] numbers or booleans.

    Raises:
        ValueError: If it is not one-dimensional, or holds NaN or infinite values; says how many and where.
    """
    column_B = np.asarray(values_B, dtype=np.float64)
    if column_B.ndim != 1:
        raise ValueError(f"{name} has shape {column_B.shape}; one value per row is needed")
    bad = np.flatnonzero(~np.isfinite(column_B))
    if bad.size:
        raise ValueError(
            f"{name}: {bad.size} of {column_B.size} values are NaN or infinite, first at rows {bad[:5].tolist()}"
        )
    return column_B


def finite_rows(**columns: Array) -> list[FloatArray]:
    """Returns several columns of one table as float64, in the order given.

    Args:
        columns: Name and [B] values of each.

    Raises:
        ValueError: If a column is not finite or the lengths differ.
    """
    checked = [finite(name, values) for name, values in columns.items()]
    if len({column.size for column in checked}) > 1:
        lengths = {name: column.size for name, column in zip(columns, checked, strict=True)}
        raise ValueError(f"columns of one table have different numbers of rows: {lengths}")
    return checked


def binary(name: str, values_B: Array) -> FloatArray:
    """Returns a 0/1 label as float64.

    Args:
        name: How errors call the column.
        values_B: [B] booleans, or numbers that are all 0 or 1.

    Raises:
        ValueError: If another value occurs.
    """
    label_B = finite(name, values_B)
    other = np.flatnonzero((label_B != 0) & (label_B != 1))
    if other.size:
        raise ValueError(
            f"{name}: {other.size} values are neither 0 nor 1, first {label_B[other[0]]} at row {other[0]}"
        )
    return label_B
