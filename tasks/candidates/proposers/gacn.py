"""GACN: LightGCN whose vectors agree between views of the graph that an adversary draws (docs/methods/retrieval.md#gacn)."""

from typing import Any, Self

import torch

from models.retrieval.gacn import GacnFit
from tasks.candidates.config import GacnConfig
from tasks.candidates.proposers.base import Judge
from tasks.candidates.proposers.vectors import VectorProposer
from tasks.table.watches import Watches


class Gacn(VectorProposer):
    """Experimental: a user's vector is to be the same whichever plausible watches are added or left out."""

    @classmethod
    def begin(cls, watches: Watches, config: GacnConfig, generator: torch.Generator) -> GacnFit:
        """Draw the first weights."""
        return GacnFit(watches, config.width, config, generator)

    @classmethod
    def fit(cls, watches: Watches, config: Any, judge: Judge) -> Self:
        """Learn from the watches of videos that have content.

        Raises:
            TrainingError: if none has.
        """
        return super().fit(watches.with_content("proposers of kind gacn"), config, judge)
