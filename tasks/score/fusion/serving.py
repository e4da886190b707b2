"""A fitted fusion as it serves: from a model's predictions to the score that orders lists."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from models.fusion import AnyFusion
from models.fusion.base import WATCH_TIME, Scores
from models.fusion.watch import WatchInputs
from tasks.core.predictions import probability

Floats = NDArray[np.float64]


class ServingFusion(BaseModel):
    """How watch time enters, and the rule. A row's fused score depends on nothing but the row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    watch: WatchInputs
    """From score and mean to a scale without seconds."""
    rule: AnyFusion
    """The fusion with its parameters."""

    def __call__(self, predictions: Mapping[str, Floats], duration_s: Floats) -> Floats:
        """Return fused scores, [rows].

        Args:
            predictions: `score`, `watch_mean` and `p_<task>` as `Model.predict` returns them.
            duration_s: seconds.
        """
        watch = self.watch(predictions["score"], predictions["watch_mean"], duration_s)
        scores: Scores = {
            task: watch if task == WATCH_TIME else predictions[probability(task)] for task in self.rule.signs
        }
        return self.rule(scores)
