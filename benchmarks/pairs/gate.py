"""The data gate of pair experiments: no pair may be both learned from and judged on unless the variant says so."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.pairs.data import PairData, Ratings

MAX_Z = 4.0
"""Standard deviations above chance at which common pairs of a data set are taken for a leak."""


class LeakedPairs(ValueError):
    """Pairs of the test ratings are among those that are learned from."""


def common_pairs(train: Ratings, test: Ratings, num_items: int) -> NDArray[np.bool_]:
    """Return which test rows are pairs that occur in `train` too, [B]."""
    found: NDArray[np.bool_] = np.isin(test.pairs(num_items), train.pairs(num_items))
    return found


def refuse_common_pairs(train: Ratings, test: Ratings, num_items: int) -> None:
    """Raise if a pair is in both.

    Raises:
        LeakedPairs: with how many, and the first of them.
    """
    common_B = common_pairs(train, test, num_items)
    if common_B.any():
        first = int(np.flatnonzero(common_B)[0])
        raise LeakedPairs(
            f"{int(common_B.sum())} of {len(test)} test pairs are in the training ratings, first user "
            f"{test.user_B[first]}, item {test.item_B[first]}: drop them from one side, or name a variant that keeps them"
        )


def refuse_more_common_pairs_than_chance(data: PairData) -> None:
    """Raise if train and test share more pairs than test pairs drawn uniformly at random would.

    Dropping common pairs from the test rows would hide a leak of test ratings into train; their number gives it away.
    Given the train counts n_u and test counts m_u of the users, the common pairs of each are hypergeometric with mean
    m_u n_u / I. Our reading of a leakage drill (docs/methods/debias.md#leakage-gate).

    Raises:
        LeakedPairs: if their number lies more than 4 standard deviations above its mean.
    """
    found = int(common_pairs(data.train, data.test, data.num_items).sum())
    size = data.num_items
    train_U = np.bincount(data.train.user_B, minlength=data.num_users)
    test_U = np.bincount(data.test.user_B, minlength=data.num_users)
    mean_U = test_U * train_U / size
    variance = (mean_U * (1 - train_U / size) * (size - test_U) / max(size - 1, 1)).sum()
    expected = mean_U.sum()
    if found > expected + MAX_Z * np.sqrt(variance):
        raise LeakedPairs(
            f"{data.name}: {found} pairs are in both train and test, chance gives {expected:.0f} ± {np.sqrt(variance):.0f}: "
            "test ratings were copied into train, or the test pairs were not drawn uniformly at random"
        )
