"""Joint ranking and calibration: a row competes with the rows of the other label for its own.

Shape legend: B rows, G lists (`models.ranking.base`), K grades.
"""

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from models.heads.base import LabelState, TrainLabels
from models.ranges import Whole
from models.ranking.base import ListedRows, Ranking, TermOptions


class JrcConfig(TermOptions):
    """Where watch time is cut."""

    kind: Literal["jrc"] = "jrc"
    thresholds: Whole = Field(default=4, ge=1, le=64)
    """Quantiles of train watch times at which it is cut."""
    form: Literal["cuts", "graded"] = "cuts"
    """What cuts make of watch time: each a 0/1 label, and a list takes the mean over those that part it; or all together one
    label of ordered grades. A 0/1 label has one form."""


class Jrc(Ranking):
    """mean_i log(1 + sum exp(±(s_j - s_i) / 2)) over the rows j of i's list with the other label; + where i has label 1.

    Source: Sheng et al., KDD 2023 (arXiv 2208.06164); docs/methods/ranking.md#jrc. With logits z_1 = s/2 and z_0 = -s/2 a tower
    needs no second output. Its cross-entropy is the task's own loss; watch time by thresholds and grades is ours.
    """

    Config = JrcConfig
    threshold_s: Tensor

    @classmethod
    def fit_state(cls, config: JrcConfig, labels: TrainLabels) -> LabelState:
        """Return `threshold_s`, distinct quantiles of train watch times, float32 seconds."""
        levels = np.arange(1, config.thresholds + 1) / (config.thresholds + 1)
        return {"threshold_s": np.unique(np.quantile(labels.watch_s, levels)).astype(np.float32)}

    def __init__(self, config: JrcConfig, state: LabelState, clip: float) -> None:
        super().__init__(config, state, clip)
        self.form = config.form
        self.register_buffer("threshold_s", torch.tensor(state["threshold_s"]))

    def forward(self, rows: ListedRows) -> Tensor:
        """Return the loss; 0 where no list has both labels."""
        cuts = [0.5] if rows.binary else self.threshold_s.unbind()
        if self.form == "graded" and not rows.binary:
            return self._graded(rows).sum() / rows.lengths.sum().clamp(min=1)
        found = [self._of(rows, rows.label_B > cut) for cut in cuts]
        parted_G = torch.stack([parted for _, parted in found]).sum(dim=0)
        loss_G = torch.stack([loss for loss, _ in found]).sum(dim=0) / parted_G.clamp(min=1)
        return loss_G[1:].sum() / rows.lengths.sum().clamp(min=1)

    def _graded(self, rows: ListedRows) -> Tensor:
        """Return log(1 + sum_j |y_j - y_i| exp(a (s_j - s_i))) of every row, j in its list, a of the row's grade; [B].

        Grades have the logits z_k = a_k s, a_k = k - (K - 1) / 2: whatever else they have cancels, since rows compete for one grade.
        """
        grade_B = (rows.label_B.unsqueeze(1) > self.threshold_s).sum(dim=1)
        loss_B = torch.zeros_like(rows.score_B)
        for grade in range(len(self.threshold_s) + 1):
            slope, apart_B = grade - len(self.threshold_s) / 2, (grade_B - grade).abs()
            others_G, some_G = _log_sum(rows, slope * rows.score_B + torch.log(apart_B.to(loss_B.dtype)), apart_B > 0)
            counts_B = (apart_B == 0) & some_G[rows.places] & (rows.group_B >= 0)
            against_B = torch.where(counts_B, others_G[rows.places] - slope * rows.score_B, 0.0)
            loss_B = torch.where(counts_B, functional.softplus(against_B), loss_B)
        return loss_B

    def _of(self, rows: ListedRows, positive_B: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of every list's row losses, and 1 where it holds both labels, else 0; both [B + 1]."""
        half_B, list_B = rows.score_B / 2, rows.places
        negatives_G, has_negative_G = _log_sum(rows, half_B, ~positive_B)
        positives_G, has_positive_G = _log_sum(rows, -half_B, positive_B)
        parted_G = has_negative_G & has_positive_G
        against_B = torch.where(positive_B, negatives_G[list_B] - half_B, positives_G[list_B] + half_B)
        loss_B = functional.softplus(torch.where(parted_G[list_B], against_B, 0.0))
        return torch.where(parted_G, rows.sum(loss_B), 0.0), parted_G.to(half_B.dtype)


def _log_sum(rows: ListedRows, value_B: Tensor, counted_B: Tensor) -> tuple[Tensor, Tensor]:
    """Return log sum exp of a value over the counted rows of every list, 0 where there is none, and where there is one; [B + 1]."""
    top_G = rows.largest(torch.where(counted_B, value_B, -torch.inf))
    some_G = torch.isfinite(top_G)
    top_G = torch.where(some_G, top_G, 0.0)
    total_G = rows.sum(torch.exp(torch.where(counted_B, value_B - top_G[rows.places], -torch.inf)))
    return torch.log(torch.where(some_G, total_G, 1.0)) + top_G, some_G
