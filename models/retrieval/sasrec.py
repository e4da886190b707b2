"""SASRec: the inner product of a video with a causal Transformer's state of what a user watched (docs/methods/retrieval.md#sasrec).

Shapes: B users, H places of a history, V videos, P places where something was watched next, D width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.encoders.history.causal import CausalEncoder, CausalSize
from models.retrieval.watched import NONE

_DEVIATION = 0.02
"""Of the first vectors of videos."""


class SasRec(nn.Module):
    """One vector of every video, read by the Transformer and asked for by its states.

    Args:
        num_videos: V.
        width: D.
        size: blocks, heads and dropout.
        history: H at most.
    """

    def __init__(self, num_videos: int, width: int, size: CausalSize, history: int) -> None:
        super().__init__()
        self.videos = nn.Embedding(num_videos, width)
        self.encoder = CausalEncoder(width, size, history)
        nn.init.normal_(self.videos.weight, std=_DEVIATION)

    def states(self, past_BH: Tensor) -> Tensor:
        """Return the state after every place, [B, H, D]; those of empty places are meaningless.

        Args:
            past_BH: videos, oldest first, `NONE` before the first.
        """
        states_BHD: Tensor = self.encoder(self.videos(past_BH.clamp(min=0)), past_BH != NONE)
        return states_BHD

    def loss(self, past_BH: Tensor, next_BH: Tensor) -> Tensor:
        """Return the cross-entropy of what was watched next among all videos, mean over places.

        Args:
            past_BH: as for `states`.
            next_BH: what was watched after each of them, `NONE` where there is no place.
        """
        is_next_BH = next_BH != NONE
        logit_PV = self.states(past_BH)[is_next_BH] @ self.videos.weight.T
        return functional.cross_entropy(logit_PV, next_BH[is_next_BH])

    @torch.no_grad()
    def logits(self, past_BH: Tensor) -> Tensor:
        """Return the logit of every video as the next one, [B, V]; arguments as for `states`, at least one video a user."""
        return self.states(past_BH)[:, -1] @ self.videos.weight.T
