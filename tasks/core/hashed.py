"""Random numbers that are a function of identities, with the SplitMix64 finaliser (Steele, Lea and Flood, OOPSLA 2014): whoever
asks, in whatever order, gets the same."""

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


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
