"""Pairs of rows of one list, at most 64 of each, drawn by a seeded hash of the two rows: another order of rows draws the same."""

import numpy as np
from numpy.typing import NDArray

from tasks.train.order import Ints

MOST = 64
"""Pairs of a list at most."""
Hashes = NDArray[np.uint64]


def row_keys(rows: Ints, seed: int, epoch: int) -> Hashes:
    """Return a hash of every row of a split in one epoch of one seed."""
    (salt,) = np.random.PCG64([seed, epoch]).random_raw(1)
    return _mixed(rows.astype(np.uint64) ^ salt)


def pairs(lists: Ints, keys: Hashes) -> Ints:
    """Return the pairs of rows of one list, each once, as places among the rows, [pairs, 2].

    Args:
        lists: list of every row, equal numbers one after the other.
        keys: hash of every row.
    """
    length = np.diff(np.append(np.flatnonzero(np.diff(lists, prepend=-1)), len(lists)))
    after = np.repeat(np.cumsum(length), length) - np.arange(len(lists)) - 1
    first = np.repeat(np.arange(len(lists)), after)
    second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(after) - after, after)
    number = np.repeat(np.arange(len(length)), length)[first]
    many = length * (length - 1) // 2 > MOST
    if many.any():
        kept = ~many[number]
        crowded = np.flatnonzero(~kept)
        chance = _mixed(keys[first[crowded]] ^ keys[second[crowded]])
        # One sort orders by list, then by chance: the number of the list stands in the upper bits.
        order = np.argsort(number[crowded].astype(np.uint64) << np.uint64(40) | chance >> np.uint64(24))
        of = number[crowded][order]
        rank = np.arange(len(of)) - np.searchsorted(of, of)
        kept[crowded[order[rank < MOST]]] = True
        first, second = first[kept], second[kept]
    return np.stack([first, second], axis=1)


def _mixed(value: Hashes) -> Hashes:
    """Return splitmix64 of every value."""
    value = (value + np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
