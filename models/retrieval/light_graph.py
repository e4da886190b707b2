"""Light graph convolution of user and video vectors along who watched what (docs/methods/retrieval.md#lightgcn).

Shapes: U users, V videos, P watched pairs, D width.
"""

import torch
from torch import Tensor


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
