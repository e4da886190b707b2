"""The student of a truncated history: the vector of a user from the first rows alone, and what it learns by
(docs/methods/representation.md#distillation).

Shapes: B users, K first rows, D width, F numbers of first rows, H neurons, U users, V videos, any number of axes before F and D.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Distance = Literal["squared", "cosine"]


class Layers(nn.Module):
    """A linear map and a network of one hidden layer beside it.

    Args:
        numbers: F.
        hidden: H.
        width: D.
        generator: draws the first weights.
    """

    def __init__(self, numbers: int, hidden: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.straight, self.into, self.out = (
            self._layer(*sizes, generator) for sizes in ((numbers, width), (numbers, hidden), (hidden, width))
        )

    @staticmethod
    def _layer(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
        layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
        nn.init.xavier_normal_(layer.weight, generator=generator)
        nn.init.zeros_(layer.bias)
        return layer

    def forward(self, x_BF: Tensor) -> Tensor:
        """Return what the numbers map to, [..., D]."""
        found: Tensor = self.straight(x_BF) + self.out(functional.relu(self.into(x_BF)))
        return found


class Student(nn.Module):
    """A user's vector, and by it the chance that a video is watched.

    Args:
        numbers: F.
        hidden: H.
        width: D.
        generator: draws the first weights.
    """

    def __init__(self, numbers: int, hidden: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = Layers(numbers, hidden, width, generator)
        self.match, self.popularity, self.bias = (nn.Parameter(torch.tensor(value)) for value in (1.0, 1.0, 0.0))

    def forward(self, x_BF: Tensor) -> Tensor:
        """Return vectors, [..., D]."""
        vector_BD: Tensor = self.layers(x_BF)
        return vector_BD

    def logit(self, user_BKD: Tensor, video_BD: Tensor, base_B: Tensor) -> Tensor:
        """Return the log-odds of a watch, [B, K].

        Args:
            user_BKD: vectors of the student.
            video_BD: vector of the video.
            base_B: log-odds that anybody watches it.
        """
        match_BK = (user_BKD * video_BD[:, None]).sum(dim=2)
        return self.match * match_BK + (self.popularity * base_B + self.bias)[:, None]


def distance(student_BKD: Tensor, teacher_BD: Tensor, kind: Distance) -> Tensor:
    """Return how far the student's vectors are from the teacher's, which do not move, [B, K]."""
    still_BKD = teacher_BD.detach()[:, None].expand_as(student_BKD)
    if kind == "cosine":
        return 1 - functional.cosine_similarity(student_BKD, still_BKD, dim=2)
    return (student_BKD - still_BKD).square().sum(dim=2)


def discriminator_loss(rich_logit_B: Tensor, refined_logit_B: Tensor) -> Tensor:
    """Return - mean log D(rich) - mean log (1 - D(refined)), D being the sigmoid of the logits."""
    return functional.softplus(-rich_logit_B).mean() + functional.softplus(refined_logit_B).mean()


def generator_loss(refined_logit_B: Tensor) -> Tensor:
    """Return - mean log D(refined)."""
    return functional.softplus(-refined_logit_B).mean()
