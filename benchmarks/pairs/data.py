"""What a data set of user-item ratings is, before any split.

Shape legend: B ratings, U users, I items, F user features, G item features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ratings:
    """Rated pairs, at most one row per pair.

    Attributes:
        user_B: [B] user codes from 0.
        item_B: [B] item codes from 0.
        rating_B: [B] ratings, 1 to 5.
    """

    user_B: IntArray
    item_B: IntArray
    rating_B: IntArray

    def __len__(self) -> int:
        return len(self.user_B)

    def subset(self, rows: NDArray[np.bool_] | IntArray) -> "Ratings":
        """Return some of the rows, by mask or position."""
        return Ratings(self.user_B[rows], self.item_B[rows], self.rating_B[rows])

    def joined(self, other: "Ratings") -> "Ratings":
        """Return these rows followed by those of `other`."""
        return Ratings(
            np.concatenate([self.user_B, other.user_B]),
            np.concatenate([self.item_B, other.item_B]),
            np.concatenate([self.rating_B, other.rating_B]),
        )

    def pairs(self, num_items: int) -> IntArray:
        """Return one code per pair: its position in the flattened user-item matrix."""
        return self.user_B * num_items + self.item_B


@dataclass(frozen=True, eq=False)
class PairData:
    """A closed catalogue with self-selected and uniformly random ratings.

    Attributes:
        name: how tables call it.
        num_users: U.
        num_items: I.
        train: self-selected ratings.
        test: ratings of pairs drawn uniformly at random.
        user_UF: [U, F] user features, 0/1; F = 0 where there are none.
        item_IG: [I, G] item features, 0/1; G = 0 where there are none.
        propensity_UI: [U, I] exposure probabilities that came with the data, None where none did.
        positive_from: the lowest rating that counts as liked.
    """

    name: str
    num_users: int
    num_items: int
    train: Ratings
    test: Ratings
    user_UF: FloatArray
    item_IG: FloatArray
    propensity_UI: FloatArray | None = None
    positive_from: int = 3

    @property
    def num_pairs(self) -> int:
        """|D|: every pair of the catalogue."""
        return self.num_users * self.num_items

    def liked(self, ratings: Ratings) -> FloatArray:
        """Return the binary label r of ratings, [B]."""
        return (ratings.rating_B >= self.positive_from).astype(np.float64)
