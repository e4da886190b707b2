"""Whole lists: the cross-entropy of how a list's watch time is shared out (ListNet).

Shape legend: B rows, G lists (`models.ranking.base`).
"""

from typing import Literal

import torch
from torch import Tensor

from models.ranking.base import ListedRows, Ranking, TermOptions


class ListNetConfig(TermOptions):
    """Nothing else to set."""

    kind: Literal["listnet"] = "listnet"


class ListNet(Ranking):
    """-sum_i q_i log softmax(s)_i inside a list, q_i = a_i / sum a, a the seconds watched or the 0/1 label.

    Source: Cao et al., ICML 2007; docs/methods/ranking.md#listnet. Top-one probabilities of the label itself, not of its exponential.
    A list counts by its rows, and not at all with one row, without a label above 0 or with equal labels.
    """

    Config = ListNetConfig

    def forward(self, rows: ListedRows) -> Tensor:
        """Return the loss; 0 where no list counts."""
        score_B, label_B, list_B = rows.score_B, rows.label_B.to(rows.score_B.dtype), rows.places
        top_B = rows.largest(score_B)[list_B]
        total_G = rows.sum(torch.exp(score_B - top_B))
        log_share_B = score_B - top_B - torch.log(total_G[list_B])
        gain_G = rows.sum(label_B)
        share_B = label_B / torch.where(gain_G > 0, gain_G, 1.0)[list_B]
        counts_G = (gain_G > 0) & (rows.largest(label_B) > -rows.largest(-label_B))
        return rows.mean_over_lists(rows.sum(-share_B * log_share_B), counts_G)
