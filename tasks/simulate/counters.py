"""Random numbers that are a function of what they are for, so that any day can be made without the days before it.

Attributes of users and videos are hashed from (seed, stream, id). Events of an hour come from one generator keyed by
(seed, day, hour).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tasks.core.hashed import Ids as Ids
from tasks.core.hashed import hashed as hashed
from tasks.core.hashed import uniform as uniform

Floats = NDArray[np.float32]

_DAY_OFFSET = 1 << 20


def normal(seed: int, stream: int, ids: Ids, columns: int = 0) -> Floats:
    """Return standard normal numbers, one per id, or `columns` per id."""
    keys = (ids,) if columns == 0 else (ids[:, None], np.arange(columns, dtype=np.int64)[None, :])
    values: Floats = ndtri(uniform(seed, stream, *keys)).astype(np.float32)
    return values


def generator(seed: int, day: int, block: int) -> np.random.Generator:
    """Return the generator of one block of events (an hour) of one day, counted from the first day."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, day + _DAY_OFFSET, block))))
