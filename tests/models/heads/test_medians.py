"""How near "near the median" is: heads whose `decode_median` estimates something else, at their optimum under a known law.

The figures of docs/methods/watch_time.md#head-interface.
"""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from models.heads.base import TrainLabels
from tests.models.heads.conftest import ROWS_PER_CELL, Cells
from tests.models.heads.test_contract import EVERY, MEDIAN_LIKE, decodes, fit_cells, make

STEPS = 500
DURATIONS_S, SHARES = (10.0, 30.0, 90.0), (0.15, 0.4)
OFF = {
    "tr_log": (-8, 18),
    "transun": (-8, 18),
    "tr_sqrt": (7, 25),
    "d2q": (-11, 13),
    "res_d2q": (-11, 13),
    "rad": (-11, 13),
    "vr_huber": (1, 54),
    "vr_phuber": (2, 41),
    "cwm": (-33, 59),
    "d2co_s": (15, 258),
}
"""Head -> smallest and largest relative error of its median over the cells, %."""


@pytest.fixture(scope="module")
def lognormal() -> Cells:
    """Watch times of log deviation 1 about a median of .15 or .4 durations, ending at the duration."""
    cells = [(duration, share * duration) for duration in DURATIONS_S for share in SHARES]
    deviation = np.exp(norm.ppf((np.arange(ROWS_PER_CELL) + 0.5) / ROWS_PER_CELL))
    watch = [np.round(np.minimum(median * deviation, duration), 3) for duration, median in cells]
    duration = np.array([duration for duration, _ in cells])
    return Cells(
        labels=TrainLabels(np.concatenate(watch), np.repeat(duration, ROWS_PER_CELL)),
        cell=np.repeat(np.arange(len(cells)), ROWS_PER_CELL),
        duration=duration,
        mean=np.array([rows.mean() for rows in watch]),
        median=np.array([median for _, median in cells]),
    )


def test_every_such_head_is_listed() -> None:
    assert OFF.keys() == MEDIAN_LIKE


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(OFF))
def test_how_far_off_the_median_is(kind: str, lognormal: Cells) -> None:
    head = make(kind, lognormal.labels)
    out_CO = fit_cells(head, lognormal, STEPS, EVERY.get(kind, 10))
    found = decodes(head, out_CO, torch.from_numpy(lognormal.duration).float())["median"].detach().numpy()
    off = 100 * (found / lognormal.median - 1)
    np.testing.assert_allclose((off.min(), off.max()), OFF[kind], atol=1.5)
