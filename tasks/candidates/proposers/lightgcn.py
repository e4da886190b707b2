"""LightGCN: vectors of users and videos, spread along who watched what (docs/methods/retrieval.md#lightgcn).

Shapes: U users, V videos, B pairs, D width.
"""

import torch
from torch import Tensor
from torch.nn import functional

from models.retrieval.alignment_uniformity import directau_loss
from models.retrieval.light_graph import normalised_graph, propagated
from tasks.candidates.config import LightGcnConfig
from tasks.candidates.proposers.directau import first_vectors
from tasks.candidates.proposers.vectors import VectorFit, VectorProposer
from tasks.candidates.watches import Watches


class LightGcnFit(VectorFit):
    """Two tables and the graph; a step moves every vector that the graph leads to, so its cost is that of all pairs."""

    def __init__(self, watches: Watches, config: LightGcnConfig, generator: torch.Generator) -> None:
        self._config, self._generator = config, generator
        user_P, video_P = torch.from_numpy(watches.user_P), torch.from_numpy(watches.video_P)
        self._graph_UV = normalised_graph(user_P, video_P, watches.num_users, watches.num_videos)
        self._user_UD = first_vectors(watches.num_users, config.width, generator)
        self._video_VD = first_vectors(watches.num_videos, config.width, generator)
        self._optimizer = torch.optim.Adam([self._user_UD, self._video_VD], lr=config.learning_rate)

    def step(self, user_B: Tensor, video_B: Tensor) -> None:
        """Take one step on the loss of the spread vectors."""
        user_UD, video_VD = propagated(self._user_UD, self._video_VD, self._graph_UV, self._config.layers)
        user_BD, video_BD = user_UD[user_B], video_VD[video_B]
        if self._config.loss == "directau":
            loss = directau_loss(user_BD, video_BD, self._config.gamma, user_B, video_B)
        else:
            other_B = torch.randint(len(video_VD), (len(video_B),), generator=self._generator)
            margin_B = (user_BD * (video_BD - video_VD[other_B])).sum(dim=1)
            first = (self._user_UD[user_B], self._video_VD[video_B], self._video_VD[other_B])
            size = torch.cat(first).square().sum() / (2 * len(user_B))
            loss = -functional.logsigmoid(margin_B).mean() + self._config.penalty * size
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    @torch.no_grad()
    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return both tables as the graph spreads them."""
        return propagated(self._user_UD, self._video_VD, self._graph_UV, self._config.layers)


class LightGcn(VectorProposer):
    """A user's vector is made of those of the videos watched, and of what others watched who watched them."""

    @classmethod
    def begin(cls, watches: Watches, config: LightGcnConfig, generator: torch.Generator) -> LightGcnFit:
        """Draw the first vectors."""
        return LightGcnFit(watches, config, generator)
