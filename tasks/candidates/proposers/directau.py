"""DirectAU: a vector of every user and video, learned by alignment and uniformity (docs/methods/retrieval.md#directau)."""

import torch

from models.retrieval.directau import DirectAuFit
from tasks.candidates.config import DirectAuConfig
from tasks.candidates.proposers.vectors import VectorProposer
from tasks.table.watches import Watches


class DirectAu(VectorProposer):
    """A user's vector beside those of the videos that user watched, and all vectors apart from each other."""

    @classmethod
    def begin(cls, watches: Watches, config: DirectAuConfig, generator: torch.Generator) -> DirectAuFit:
        """Draw the first vectors."""
        return DirectAuFit(watches, config.width, config, generator)
