"""When a watch time was cut off by the end of the video, so that how long the viewer would have stayed is unknown.

Shape legend: B rows.
"""

import torch
from torch import Tensor


def is_complete(watch_B: Tensor, duration_B: Tensor) -> Tensor:
    """Return which plays reached the end to the second, bool [B].

    Source: docs/methods/watch_time.md#discrete-hazards-with-censoring.
    """
    return torch.round(watch_B) >= torch.round(duration_B)
