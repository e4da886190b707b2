"""Alignment and uniformity of user and video vectors: a loss without negatives, and two numbers that reveal collapse
(docs/methods/retrieval.md#alignment-and-uniformity).

Both normalise what they are given: of vectors that are not normalised uniformity says how long they are.

Shapes: B pairs, N vectors, D width.
"""

import torch
from torch import Tensor
from torch.nn import functional


def alignment(user_BD: Tensor, video_BD: Tensor) -> Tensor:
    """Return the mean squared distance of the two directions of every pair; 2 for unrelated ones, 0 for equal ones."""
    user_BD, video_BD = functional.normalize(user_BD, dim=1), functional.normalize(video_BD, dim=1)
    return (user_BD - video_BD).square().sum(dim=1).mean()


def uniformity(vector_ND: Tensor) -> Tensor:
    """Return log mean exp(-2 squared distance) over the pairs of directions.

    0 where all coincide, -3.88 of Gaussian ones of 64 numbers; 0 of fewer than two vectors, which have no pair.
    """
    if len(vector_ND) < 2:
        return vector_ND.sum() * 0
    unit_ND = functional.normalize(vector_ND, dim=1)
    # |a - b|^2 = 2 - 2 <a, b>: one matrix product, and a gradient where two vectors coincide.
    similar_NN = (4 * (unit_ND @ unit_ND.T) - 4).exp()
    pairs = len(vector_ND) * (len(vector_ND) - 1)
    return ((similar_NN.sum() - similar_NN.diagonal().sum()) / pairs).log()


def directau_loss(
    user_BD: Tensor, video_BD: Tensor, gamma: float, user_B: Tensor | None = None, video_B: Tensor | None = None
) -> Tensor:
    """Return alignment + gamma times the mean of both uniformities.

    Args:
        user_BD: vectors of the users of pairs that were watched.
        video_BD: those of their videos.
        gamma: weight of uniformity; 0 collapses.
        user_B: users of the pairs: each counts once in uniformity. None: as often as it stands in the batch.
        video_B: videos of the pairs, likewise.
    """
    spread = (uniformity(_once(user_BD, user_B)) + uniformity(_once(video_BD, video_B))) / 2
    return alignment(user_BD, video_BD) + gamma * spread


def _once(vector_BD: Tensor, number_B: Tensor | None) -> Tensor:
    """Return the vectors of numbers that differ, in ascending order of these."""
    if number_B is None:
        return vector_BD
    numbers_N, place_B = torch.unique(number_B, return_inverse=True)
    row_N = torch.zeros(len(numbers_N), dtype=torch.int64, device=place_B.device)
    row_N[place_B.flip(0)] = torch.arange(len(place_B), device=place_B.device).flip(0)
    return vector_BD.index_select(0, row_N)
