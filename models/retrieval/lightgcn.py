"""LightGCN: vectors of users and videos, spread along who watched what (docs/methods/retrieval.md#lightgcn).

Shapes: U users, V videos, B pairs, D width.
"""

import torch
from torch import Tensor
from torch.nn import functional

from models.retrieval.alignment_uniformity import directau_loss
from models.retrieval.config import LightGcnOptions
from models.retrieval.light_graph import normalised_graph, propagated
from models.retrieval.vectors import VectorFit, first_vectors
from models.retrieval.watched import Watched


class LightGcnFit(VectorFit):
    """Two tables and the graph; a step moves every vector that the graph leads to, so its cost is that of all pairs.

    Args:
        watched: who watched what.
        width: D.
        options: layers, loss, step size.
        generator: draws the first vectors, and videos that were not watched.
    """

    def __init__(self, watched: Watched, width: int, options: LightGcnOptions, generator: torch.Generator) -> None:
        super().__init__(watched)
        self._options, self._generator = options, generator
        self._graph_UV = normalised_graph(self._user_P, self._video_P, watched.num_users, watched.num_videos)
        self._user_UD = first_vectors(watched.num_users, width, generator)
        self._video_VD = first_vectors(watched.num_videos, width, generator)
        self._optimizer = torch.optim.Adam([self._user_UD, self._video_VD], lr=options.learning_rate)

    def step(self, example_B: Tensor) -> None:
        """Take one step on the loss of the spread vectors."""
        user_B, video_B = self._user_P[example_B], self._video_P[example_B]
        user_UD, video_VD = propagated(self._user_UD, self._video_VD, self._graph_UV, self._options.layers)
        if self._options.loss == "directau":
            loss = directau_loss(user_UD[user_B], video_VD[video_B], self._options.gamma, user_B, video_B)
        else:
            other_B = torch.randint(len(video_VD), (len(video_B),), generator=self._generator)
            first, numbers = (self._user_UD, self._video_VD), (user_B, video_B, other_B)
            loss = bpr_loss(first, (user_UD, video_VD), numbers, self._options.penalty)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    @torch.no_grad()
    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return both tables as the graph spreads them."""
        return propagated(self._user_UD, self._video_VD, self._graph_UV, self._options.layers)


def bpr_loss(
    first: tuple[Tensor, Tensor], spread: tuple[Tensor, Tensor], numbers: tuple[Tensor, Tensor, Tensor], penalty: float
) -> Tensor:
    """Return - log sigma of how far watched videos stand above others, mean over examples, with a penalty on length.

    Args:
        first: vectors of users and videos before they are spread, whose length counts.
        spread: the same as the graph spreads them.
        numbers: of users, of what each watched and of videos drawn, [B] each.
        penalty: weight of half the mean squared length of the three.
    """
    user_B, video_B, other_B = numbers
    margin_B = (spread[0][user_B] * (spread[1][video_B] - spread[1][other_B])).sum(dim=1)
    size = torch.cat((first[0][user_B], first[1][video_B], first[1][other_B])).square().sum() / (2 * len(user_B))
    loss: Tensor = -functional.logsigmoid(margin_B).mean() + penalty * size
    return loss
