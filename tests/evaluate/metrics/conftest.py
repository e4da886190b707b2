"""The eight-row table of docs/methods/metrics.md#worked-example, and the brute-force twin of every pair count."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.evaluate.metrics.pairwise import PairCounts

Array = NDArray[Any]


@dataclass(frozen=True)
class M8:
    """Table M8 (docs/methods/metrics.md#worked-example)."""

    users: Groups
    videos: Groups
    label: Array
    duration: Array
    prediction: Array
    valid: Array
    long_view: Array


@pytest.fixture
def m8() -> M8:
    return M8(
        users=encode_groups(np.array(list("aaaabbbc"))),
        videos=encode_groups(np.array([1, 2, 3, 4, 1, 2, 3, 1])),
        label=np.array([0, 4, 10, 30, 8, 2, 2, 5]),
        duration=np.array([10, 20, 10, 40, 10, 20, 10, 10]),
        prediction=np.array([2, 6, 5, 20, 4, 3, 5, 6]),
        valid=np.array([0, 0, 1, 1, 1, 0, 0, 0]),
        long_view=np.array([0, 0, 1, 1, 0, 0, 0, 0]),
    )


@pytest.fixture
def brute_counts() -> Callable[[Array, Array], PairCounts]:
    def count(label: Array, prediction: Array) -> PairCounts:
        upper = np.triu_indices(label.size, 1)
        by_label = np.sign(label[:, None] - label[None, :])[upper]
        by_prediction = np.sign(prediction[:, None] - prediction[None, :])[upper]
        product = by_label * by_prediction
        return PairCounts(
            num_rows=label.size,
            concordant=int((product > 0).sum()),
            discordant=int((product < 0).sum()),
            tied_label=int(((by_label == 0) & (by_prediction != 0)).sum()),
            tied_prediction=int(((by_label != 0) & (by_prediction == 0)).sum()),
            tied_both=int(((by_label == 0) & (by_prediction == 0)).sum()),
        )

    return count
