"""Random numbers that are a function of what they are for, so that any day can be made without the days before it.

Attributes of users and videos are hashed from (seed, stream, id) with the SplitMix64 finaliser (Steele, Lea and Flood,
OOPSLA 2014). Events of an hour come from one generator keyed by (seed, day, hour).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_DAY_OFFSET = 1 << 20


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))


def hashed(seed: int, stream: int, *keys: Ids) -> NDArray[np.uint64]:
    """Return 64 random bits for every row of the broadcast keys."""
    start = _mix(np.array([seed, stream], np.uint64) + _GOLDEN)
    state = _mix(start[:1] + start[1:] * _GOLDEN)
    for key in keys:
        state = _mix((state ^ key.astype(np.uint64)) * _GOLDEN + _SECOND)
    return state


def uniform(seed: int, stream: int, *keys: Ids) -> NDArray[np.float64]:
    """Return numbers uniform on the open interval (0, 1)."""
    result: NDArray[np.float64] = ((hashed(seed, stream, *keys) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return result


def normal(seed: int, stream: int, ids: Ids, columns: int = 0) -> Floats:
    """Return standard normal numbers, one per id, or `columns` per id."""
    keys = (ids,) if columns == 0 else (ids[:, None], np.arange(columns, dtype=np.int64)[None, :])
    values: Floats = ndtri(uniform(seed, stream, *keys)).astype(np.float32)
    return values


def generator(seed: int, day: int, block: int) -> np.random.Generator:
    """Return the generator of one block of events (an hour) of one day, counted from the first day."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, day + _DAY_OFFSET, block))))
