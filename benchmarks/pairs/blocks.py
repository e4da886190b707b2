"""Blocks of a linear pair model: every block is a set of user columns times a set of item columns.

A block (L, R) adds l_u' W r_i to the score, with L [U, l] and R [I, r]. With identities and ones this covers biases and
feature weights; with the two identities replaced by features, crosses; with one of them, a user's own taste for item
features. What a block's columns are multiplied by (its scale) says how far its weights may move under one common penalty.

Shape legend: B pairs, U users, I items, F user features, G item features, K exposure factors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import sparse

from benchmarks.pairs.data import FloatArray, IntArray, PairData, Ratings

BlockName = Literal[
    "user",
    "item",
    "user_features",
    "item_features",
    "crosses",
    "user_taste",
    "item_audience",
    "user_exposure",
    "item_exposure",
    "exposure_crosses",
    "user_exposure_taste",
    "item_exposure_audience",
]

IDS: tuple[BlockName, ...] = ("user", "item")
FEATURES: tuple[BlockName, ...] = ("user_features", "item_features", "crosses", "user_taste", "item_audience")
EXPOSURES: tuple[BlockName, ...] = (
    "user_exposure",
    "item_exposure",
    "exposure_crosses",
    "user_exposure_taste",
    "item_exposure_audience",
)


@dataclass(frozen=True, eq=False)
class Block:
    """Columns of one block.

    Attributes:
        user: sparse [U, l].
        item: sparse [I, r].
    """

    user: sparse.csr_matrix
    item: sparse.csr_matrix

    @property
    def width(self) -> int:
        """Number of weights."""
        return int(self.user.shape[1] * self.item.shape[1])

    def rows(self, user_B: IntArray, item_B: IntArray) -> sparse.csr_matrix:
        """Return the products of every pair's columns, sparse [B, l r]."""
        return _row_products(self.user[user_B], self.item[item_B])

    def scores(self, weight: FloatArray) -> FloatArray:
        """Return l_u' W r_i of every pair, [U, I].

        Args:
            weight: [l r] weights.
        """
        weight_LR = weight.reshape(self.user.shape[1], self.item.shape[1])
        score: FloatArray = np.asarray((self.item @ (self.user @ weight_LR).T).T)
        return score


def blocks(data: PairData, fit: Ratings, names: Sequence[BlockName], factors: int = 8) -> Mapping[BlockName, Block]:
    """Return blocks by name, all weights of scale 1.

    Exposure factors see which pairs were rated in `fit`, no rating: the leading singular vectors of the exposure matrix
    less its expectation from user and item counts, which say who chooses alike. Pairs held out are unexposed there, as
    test pairs are.

    Args:
        data: the catalogue.
        fit: ratings whose pairs count as exposed.
        names: blocks wanted.
        factors: K.

    Raises:
        ValueError: if a name is unknown, or a block of features is asked for and the data has none.
    """
    unknown = set(names) - set(get_args(BlockName))
    if unknown:
        raise ValueError(f"unknown blocks {sorted(unknown)}, allowed are {sorted(get_args(BlockName))}")
    if set(names) & set(FEATURES) and not (data.user_UF.shape[1] and data.item_IG.shape[1]):
        raise ValueError(f"{data.name} has no user and item features, and blocks {sorted(names)} read them")
    each_user, all_users = sparse.eye(data.num_users, format="csr"), sparse.csr_matrix(np.ones((data.num_users, 1)))
    each_item, all_items = sparse.eye(data.num_items, format="csr"), sparse.csr_matrix(np.ones((data.num_items, 1)))
    user_F, item_G = sparse.csr_matrix(data.user_UF), sparse.csr_matrix(data.item_IG)
    user_K, item_K = (sparse.csr_matrix(side) for side in exposure_factors(data, fit, factors))
    every: dict[BlockName, Block] = {
        "user": Block(each_user, all_items),
        "item": Block(all_users, each_item),
        "user_features": Block(user_F, all_items),
        "item_features": Block(all_users, item_G),
        "crosses": Block(user_F, item_G),
        "user_taste": Block(each_user, item_G),
        "item_audience": Block(user_F, each_item),
        "user_exposure": Block(user_K, all_items),
        "item_exposure": Block(all_users, item_K),
        "exposure_crosses": Block(user_K, item_K),
        "user_exposure_taste": Block(each_user, item_K),
        "item_exposure_audience": Block(user_K, each_item),
    }
    return {name: every[name] for name in names}


def exposure_factors(data: PairData, fit: Ratings, factors: int) -> tuple[FloatArray, FloatArray]:
    """Return user and item factors of who rated what, [U, K] and [I, K].

    The residual (O - E)/sqrt(E + .02) with E from the margins is decomposed; columns are scaled by the root of their
    singular value relative to the first.
    """
    exposed_UI = np.zeros((data.num_users, data.num_items))
    exposed_UI[fit.user_B, fit.item_B] = 1
    expected_UI = np.outer(exposed_UI.sum(1), exposed_UI.sum(0)) / exposed_UI.sum()
    left, singular, right = np.linalg.svd((exposed_UI - expected_UI) / np.sqrt(expected_UI + 0.02), full_matrices=False)
    weight = np.sqrt(singular[:factors] / singular[0])
    return left[:, :factors] * np.sqrt(data.num_users) * weight, right[:factors].T * np.sqrt(data.num_items) * weight


def _row_products(left: sparse.csr_matrix, right: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the row-wise Kronecker product, [B, l r]."""
    num_left, num_right = np.diff(left.indptr), np.diff(right.indptr)
    count = num_left * num_right
    start = np.concatenate([[0], np.cumsum(count)])
    row = np.repeat(np.arange(left.shape[0]), count)
    place = np.arange(start[-1]) - start[row]
    at_left = left.indptr[row] + place // num_right[row]
    at_right = right.indptr[row] + place % num_right[row]
    column = left.indices[at_left].astype(np.int64) * right.shape[1] + right.indices[at_right]
    shape = (left.shape[0], left.shape[1] * right.shape[1])
    return sparse.csr_matrix((left.data[at_left] * right.data[at_right], column, start), shape=shape)
