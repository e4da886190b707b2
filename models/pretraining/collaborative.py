"""Vectors learned from who watched what and nothing else (docs/methods/representation.md#pre-training)."""

from typing import Literal

import torch

from models.pretraining.base import FittedPretraining, PretrainingOptions
from models.retrieval.config import DirectAuOptions, LightGcnOptions
from models.retrieval.directau import DirectAuFit
from models.retrieval.lightgcn import LightGcnFit
from models.retrieval.watched import Watched


class DirectAuConfig(PretrainingOptions, DirectAuOptions):
    """Alignment and uniformity, at a cost that follows the watches."""

    kind: Literal["directau"] = "directau"


class DirectAu(FittedPretraining):
    """The fit of the proposer `directau`."""

    Config = DirectAuConfig

    def begin(self, watched: Watched, width: int, generator: torch.Generator) -> DirectAuFit:
        """Draw the first vectors."""
        return DirectAuFit(watched, width, self.config, generator)


class LightGcnConfig(PretrainingOptions, LightGcnOptions):
    """Vectors spread along who watched what; every step costs the whole graph."""

    kind: Literal["lightgcn"] = "lightgcn"


class LightGcn(FittedPretraining):
    """The fit of the proposer `lightgcn`."""

    Config = LightGcnConfig

    def begin(self, watched: Watched, width: int, generator: torch.Generator) -> LightGcnFit:
        """Draw the first vectors."""
        return LightGcnFit(watched, width, self.config, generator)
