"""The one interface of what learns vectors of users and videos before a ranker is fitted
(docs/methods/representation.md#pre-training).

Shapes: U users, V videos, D embedding width, K of them of which something is learned.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from models.component import ComponentConfig
from models.ranges import Steps, Weight
from models.retrieval.vectors import Flags, VectorFit
from models.retrieval.watched import Watched


class PretrainingOptions(ComponentConfig):
    """What all of them take."""

    use: Literal["initialise", "join"] = "initialise"
    """initialise: the embeddings of user and video begin with the vectors; join: the vectors are two further fields, which the
    fit leaves as they are"""
    spread: Weight | None = None
    """Root mean square of the vectors' numbers; null: under initialise that of the embeddings drawn at random (0.02), which the
    first steps outgrow; under join 1, as of standardised dense features."""
    watched: str = "long_view"
    """Binary label that makes an impression a watch."""
    epochs: Steps = 20
    """Passes over the watches of the fit days; no other day ends them."""
    shuffled: bool = False
    """Deal the vectors to other users and other videos: the control, from which nothing can be gained."""


@dataclass(frozen=True, eq=False)
class KnownVectors:
    """Vectors of the users, or of the videos, of which something was learned.

    Attributes:
        code_K: their codes.
        vector_KD: their vectors.
    """

    code_K: Tensor
    vector_KD: Tensor

    @classmethod
    def of(cls, vector_ND: Tensor, known_N: Flags) -> "KnownVectors":
        """Leave out what is not known."""
        code_K = torch.from_numpy(np.flatnonzero(known_N))
        return cls(code_K, vector_ND[code_K])

    def dealt(self, generator: torch.Generator) -> "KnownVectors":
        """Return the same vectors, each that of another code."""
        order_K = torch.randperm(len(self.code_K), generator=generator)
        return KnownVectors(self.code_K, self.vector_KD[order_K])

    def scaled(self, root_mean_square: float) -> "KnownVectors":
        """Return the vectors times one factor, so that their numbers have this root mean square."""
        found = self.vector_KD.square().mean().sqrt().clamp_min(torch.finfo(self.vector_KD.dtype).tiny)
        return KnownVectors(self.code_K, self.vector_KD * (root_mean_square / found))


class Pretraining(ABC):
    """Learns vectors from watches alone.

    Args:
        config: its options.
    """

    Config: ClassVar[type[PretrainingOptions]]
    reads_content: ClassVar[bool] = False
    """Whether it learns from the content of videos: then it is given the watches of those that have some."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def begin(self, watched: Watched, width: int, generator: torch.Generator) -> VectorFit:
        """Return what is learned, before the first step; the generator draws all that is drawn."""

    def learn(self, watched: Watched, width: int, seed: int) -> tuple[KnownVectors, KnownVectors]:
        """Return vectors of users and of videos; torch's own generator is left as it was.

        Args:
            watched: who watched what on the fit days.
            width: D.
            seed: of all that is drawn.
        """
        generator = torch.Generator().manual_seed(seed)
        learned = self.begin(watched, width, generator)
        for _ in range(self.config.epochs):
            learned.one_pass(self.config.batch_size, generator)
        user, video = (KnownVectors.of(*of) for of in zip(learned.vectors(), learned.known, strict=True))
        return (user.dealt(generator), video.dealt(generator)) if self.config.shuffled else (user, video)
