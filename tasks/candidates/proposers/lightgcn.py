"""LightGCN: vectors of users and videos, spread along who watched what (docs/methods/retrieval.md#lightgcn)."""

import torch

from models.retrieval.light_graph import LightGcnFit
from tasks.candidates.config import LightGcnConfig
from tasks.candidates.proposers.vectors import VectorProposer
from tasks.candidates.watches import Watches


class LightGcn(VectorProposer):
    """A user's vector is made of those of the videos watched, and of what others watched who watched them."""

    @classmethod
    def begin(cls, watches: Watches, config: LightGcnConfig, generator: torch.Generator) -> LightGcnFit:
        """Draw the first vectors."""
        user_P, video_P = torch.from_numpy(watches.user_P), torch.from_numpy(watches.video_P)
        return LightGcnFit(user_P, video_P, watches.num_users, watches.num_videos, config, generator)
