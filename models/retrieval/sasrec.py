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

    A vector is the video's own row, or with codes the sum of that and of the rows of its codes. Videos that have no own row, new ones
    at the end of the catalogue, have 0 in its place.

    Args:
        num_taught: videos that may be watched next, from the first one on: new ones are not among them.
        width: D.
        size: blocks, heads and dropout.
        history: H at most.
        codes: rows of the codes of every video, int64 [V, F]; None: `num_taught` videos have a row of their own and nothing else.
        code_rows: how many there are.
        own_rows: whether taught videos have a row of their own beside codes.
    """

    row_VF: Tensor

    def __init__(
        self,
        num_taught: int,
        width: int,
        size: CausalSize,
        history: int,
        codes: Tensor | None = None,
        code_rows: int = 0,
        own_rows: bool = True,
    ) -> None:
        super().__init__()
        self.num_taught = num_taught
        self.videos = nn.Embedding(num_taught if own_rows else 0, width)
        self.encoder = CausalEncoder(width, size, history)
        nn.init.normal_(self.videos.weight, std=_DEVIATION)
        self.codes: nn.EmbeddingBag | None = None
        if codes is not None:
            self.codes = nn.EmbeddingBag(code_rows, width, mode="sum")
            nn.init.normal_(self.codes.weight, std=_DEVIATION)
            self.register_buffer("row_VF", codes, persistent=False)

    def vectors(self) -> Tensor:
        """Return the vector of every video, [V, D]."""
        if self.codes is None:
            return self.videos.weight
        shared_VD: Tensor = self.codes(self.row_VF)
        return shared_VD + functional.pad(self.videos.weight, (0, 0, 0, len(shared_VD) - len(self.videos.weight)))

    def states(self, past_BH: Tensor) -> Tensor:
        """Return the state after every place, [B, H, D]; those of empty places are meaningless.

        Args:
            past_BH: videos, oldest first, `NONE` before the first.
        """
        return self._states(past_BH, self.vectors())

    def _states(self, past_BH: Tensor, vector_VD: Tensor) -> Tensor:
        states_BHD: Tensor = self.encoder(functional.embedding(past_BH.clamp(min=0), vector_VD), past_BH != NONE)
        return states_BHD

    def loss(self, past_BH: Tensor, next_BH: Tensor) -> Tensor:
        """Return the cross-entropy of what was watched next among all taught videos, mean over places.

        Args:
            past_BH: as for `states`.
            next_BH: what was watched after each of them, `NONE` where there is no place.
        """
        is_next_BH, vector_VD = next_BH != NONE, self.vectors()
        logit_PV = self._states(past_BH, vector_VD)[is_next_BH] @ vector_VD[: self.num_taught].T
        return functional.cross_entropy(logit_PV, next_BH[is_next_BH])

    @torch.no_grad()
    def logits(self, past_BH: Tensor) -> Tensor:
        """Return the logit of every video as the next one, [B, V]; arguments as for `states`, at least one video a user."""
        vector_VD = self.vectors()
        return self._states(past_BH, vector_VD)[:, -1] @ vector_VD.T
