"""Light graph convolution of user and video vectors along who watched what (docs/methods/retrieval.md#lightgcn).

Shapes: U users, V videos, P watched pairs, B pairs of a step, D width.
"""

import torch
from torch import Tensor
from torch.nn import functional

from models.retrieval.alignment_uniformity import directau_loss
from models.retrieval.config import GraphVectors
from models.retrieval.pair_vectors import VectorFit, first_vectors


def normalised_graph(user_P: Tensor, video_P: Tensor, num_users: int, num_videos: int) -> Tensor:
    """Return 1 / sqrt(videos of the user x users of the video) of every pair, sparse [U, V].

    Args:
        user_P: user of each pair, each pair once.
        video_P: its video.
        num_users: U.
        num_videos: V.
    """
    user_degree_P = torch.bincount(user_P, minlength=num_users)[user_P]
    video_degree_P = torch.bincount(video_P, minlength=num_videos)[video_P]
    weight_P = (user_degree_P * video_degree_P).float().rsqrt()
    size, place_2P = (num_users, num_videos), torch.stack([user_P, video_P])
    return torch.sparse_coo_tensor(place_2P, weight_P, size, check_invariants=False).coalesce()


def propagated(user_UD: Tensor, video_VD: Tensor, graph_UV: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    """Return the mean over layers 0 to `layers`, each the weighted sum of its neighbours' vectors one layer below.

    Args:
        user_UD: vectors of users, layer 0.
        video_VD: vectors of videos, layer 0.
        graph_UV: of `normalised_graph`.
        layers: how far vectors travel; 0: they stay.
    """
    users, videos = [user_UD], [video_VD]
    for _ in range(layers):
        user_UD, video_VD = torch.sparse.mm(graph_UV, video_VD), torch.sparse.mm(graph_UV.t(), user_UD)
        users.append(user_UD)
        videos.append(video_VD)
    return torch.stack(users).mean(dim=0), torch.stack(videos).mean(dim=0)


class LightGcnFit(VectorFit):
    """Two tables and the graph; a step moves every vector that the graph leads to, so its cost is that of all pairs.

    Args:
        user_P: user of each watched pair, each pair once.
        video_P: its video.
        num_users: U.
        num_videos: V.
        config: width, layers and loss.
        generator: draws the first vectors, and videos that were not watched.
    """

    def __init__(
        self,
        user_P: Tensor,
        video_P: Tensor,
        num_users: int,
        num_videos: int,
        config: GraphVectors,
        generator: torch.Generator,
    ) -> None:
        self._config, self._generator = config, generator
        self._graph_UV = normalised_graph(user_P, video_P, num_users, num_videos)
        self._user_UD = first_vectors(num_users, config.width, generator)
        self._video_VD = first_vectors(num_videos, config.width, generator)
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
