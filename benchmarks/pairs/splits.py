"""Who is learned from, validated on and judged on (docs/methods/debias.md#coat-protocol)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.pairs.data import PairData, Ratings
from benchmarks.pairs.gate import common_pairs, refuse_common_pairs, refuse_more_common_pairs_than_chance


@dataclass(frozen=True)
class Variant:
    """One way of judging.

    Attributes:
        name: how tables call it.
        common: what happens to test pairs that are in the training ratings too.
        without_positives: users without a positive test rating are left out, or count as public code counts them:
            NDCG 1, recall 0.
    """

    name: Literal["literature", "honest"]
    common: Literal["keep", "drop"]
    without_positives: Literal["counted", "excluded"]


LITERATURE = Variant("literature", common="keep", without_positives="counted")
HONEST = Variant("honest", common="drop", without_positives="excluded")


def judged_rows(data: PairData, variant: Variant) -> Ratings:
    """Return the rows that a variant judges on.

    Raises:
        LeakedPairs: if more pairs are in train and test than chance explains.
    """
    refuse_more_common_pairs_than_chance(data)
    if variant.common == "keep":
        return data.test
    rows = data.test.subset(~common_pairs(data.train, data.test, data.num_items))
    refuse_common_pairs(data.train, rows, data.num_items)
    return rows


def hold_out(train: Ratings, share: float, seed: int) -> tuple[Ratings, Ratings]:
    """Return the ratings to fit on and those to validate on: a random share of each user's, rounded, at least one.

    A user with a single rating keeps it for the fit.

    Args:
        train: training ratings.
        share: of each user's ratings that is held out, in (0, 1).
        seed: of the draw.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}, allowed is (0, 1)")
    order_B = np.lexsort((np.random.default_rng(seed).random(len(train)), train.user_B))
    count_U = np.bincount(train.user_B)
    place_B = np.empty(len(train), dtype=np.int64)
    place_B[order_B] = np.arange(len(train)) - np.repeat(np.cumsum(count_U) - count_U, count_U)
    held_U = np.where(count_U > 1, np.maximum(np.rint(share * count_U), 1), 0)
    held_B = place_B < held_U[train.user_B]
    return train.subset(~held_B), train.subset(held_B)


def folds(train: Ratings, num_folds: int, seed: int) -> list[tuple[Ratings, Ratings]]:
    """Return the (fit, held out) pairs of a cross-validation, every user's ratings spread evenly over the folds."""
    order_B = np.lexsort((np.random.default_rng(seed).random(len(train)), train.user_B))
    fold_B = np.empty(len(train), dtype=np.int64)
    fold_B[order_B] = np.arange(len(train)) % num_folds
    return [(train.subset(fold_B != fold), train.subset(fold_B == fold)) for fold in range(num_folds)]
