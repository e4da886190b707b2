"""The metrics of KuaiVideo_x1: AUC, gAUC and log loss, each with its bootstrap over users.

Source: docs/methods/metrics.md#public-protocols.

Shapes: B rows, U users, R resamples.
"""

import numpy as np

from benchmarks.kuaivideo_x1.rows import VideoRows
from benchmarks.pairs.scoring import Scores, resampled
from tasks.evaluate.metrics.classification import auc, auc_influence, gauc, logloss
from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.metrics.uncertainty import Statistic, user_bootstrap_weights

METRICS = ("auc", "gauc", "logloss")


def criterion(rows: VideoRows, logit_B: FloatArray) -> float:
    """Return AUC + gAUC, by which public fits stop."""
    return auc(rows.label_B, logit_B).value + gauc(rows.label_B, logit_B, rows.users).value


class VideoJudge:
    """Scores logits for the rows of one part.

    Args:
        rows: all of them.
        replicates: resamples of users.
        seed: of the resamples.
    """

    def __init__(self, rows: VideoRows, replicates: int = 1000, seed: int = 0) -> None:
        self._rows = rows
        self._weights_RU = user_bootstrap_weights(rows.users.num_groups, replicates, seed=seed)

    def scores(self, logit_B: FloatArray) -> Scores:
        """Return the metrics of one fit; gAUC weights users with both classes by their rows, as public code does."""
        label_B, users = self._rows.label_B, self._rows.users
        found: dict[str, Statistic] = {
            "auc": auc_influence(label_B, logit_B, users),
            "gauc": gauc(label_B, logit_B, users, weight="rows"),
            "logloss": logloss(label_B, 1 / (1 + np.exp(-logit_B)), users),
        }
        return {name: resampled(statistic, self._weights_RU) for name, statistic in found.items()}
