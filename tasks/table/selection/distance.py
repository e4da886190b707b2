"""How far the features of some rows lie from those of others: the Fréchet distance of two normal laws.

Shapes: R rows, N features.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(eq=False)
class Moments:
    """Sums over rows, added to part by part.

    Attributes:
        rows: how many there were.
        sum_N: of features.
        product_NN: of products of two features.
    """

    rows: int
    sum_N: Floats
    product_NN: Floats

    @classmethod
    def none(cls, width: int) -> Self:
        """Return the sums over no row."""
        return cls(0, np.zeros(width), np.zeros((width, width)))

    def add(self, value_RN: Floats) -> None:
        """Add rows."""
        self.rows += len(value_RN)
        self.sum_N += value_RN.sum(axis=0)
        self.product_NN += np.einsum("rn,rm->nm", value_RN, value_RN)  # no matrix product, whose bits vary with threads

    def mean(self) -> Floats:
        """Return the mean, [N]."""
        mean_N: Floats = self.sum_N / self.rows
        return mean_N

    def covariance(self) -> Floats:
        """Return the covariance [N, N], pulled towards a multiple of the identity by N / (N + rows): that of few rows alone is singular.

        The multiple is the mean variance, so that the trace stays.
        """
        width = len(self.sum_N)
        plain_NN = self.product_NN / self.rows - np.outer(self.mean(), self.mean())
        pull = width / (width + self.rows)
        pulled_NN: Floats = (1 - pull) * plain_NN + pull * np.trace(plain_NN) / width * np.eye(width)
        return pulled_NN


def frechet(one: Moments, other: Moments) -> float:
    """Return |m - n|^2 + tr(S + T - 2 (S T)^(1/2)), 0 for equal moments.

    Source: docs/methods/selection.md#data-search.
    """
    first_NN, second_NN = one.covariance(), other.covariance()
    root_NN = _root(first_NN)
    # (S T)^(1/2) and (S^(1/2) T S^(1/2))^(1/2) have the same eigenvalues, and the second matrix is symmetric.
    crossed_N = np.linalg.eigvalsh(root_NN @ second_NN @ root_NN).clip(min=0)
    apart = float(np.square(one.mean() - other.mean()).sum())
    return apart + float(np.trace(first_NN) + np.trace(second_NN) - 2 * np.sqrt(crossed_N).sum())


def _root(matrix_NN: Floats) -> Floats:
    """Return the symmetric square root of a positive semidefinite matrix."""
    value_N, vector_NN = np.linalg.eigh(matrix_NN)
    root_NN: Floats = (vector_NN * np.sqrt(value_N.clip(min=0))) @ vector_NN.T
    return root_NN
