"""Vectors that agree between views of the graph of watches (docs/methods/retrieval.md#gacn)."""

from typing import Literal

import torch

from models.pretraining.base import FittedPretraining, PretrainingOptions
from models.retrieval.config import GacnOptions
from models.retrieval.gacn import GacnFit
from models.retrieval.watched import Watched


class GacnConfig(PretrainingOptions, GacnOptions):
    """LightGCN and agreement between views that an adversary draws: not validated; needs features.content."""

    kind: Literal["gacn"] = "gacn"


class Gacn(FittedPretraining):
    """The fit of the proposer `gacn`."""

    Config = GacnConfig

    @classmethod
    def reads_content(cls, config: GacnConfig) -> bool:
        """Tell that it does: edges are proposed to videos of like content."""
        return True

    def begin(self, watched: Watched, width: int, generator: torch.Generator) -> GacnFit:
        """Draw the first weights."""
        return GacnFit(watched, width, self.config, generator)
