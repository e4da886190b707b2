"""Entire-space multi-task model: learn "observed and liked" on every row, and "liked" as its second factor."""

from typing import Literal

from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import Objective, TaskRows
from models.objectives.exposure import SHARED_EXPOSURE, exposure_loss, exposure_probability
from models.objectives.share import entire_space_loss, share_of


class EsmmConfig(ComponentConfig):
    """Nothing to set."""

    kind: Literal["esmm"] = "esmm"


class Esmm(Objective):
    """mean_D [CE(p̂, o) + CE(p̂ r̂, o r)], both towers on the tasks' encoder.

    Source: Ma et al., SIGIR 2018; docs/methods/debias.md#esmm. It serves r̂. For watch time r̂ is the head's mean over
    the duration and r the share watched (our extension): the cross-entropy of a share is least at its expectation.
    """

    Config = EsmmConfig
    auxiliary_towers = (SHARED_EXPOSURE,)
    needs_unobserved = True

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss.

        Raises:
            ValueError: if the task is watch time and its head has no native mean.
        """
        joint = entire_space_loss(rows, exposure_probability(rows), share_of(rows, "esmm"))
        return exposure_loss(rows) + joint
