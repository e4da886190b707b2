"""The one interface of what learns vectors of users and videos before a ranker is fitted
(docs/methods/representation.md#pre-training).

Shapes: U users, V videos, D embedding width, K of them of which something is learned.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
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
        hidden_K: bool, whose vectors no row of the fit may read; None: nobody's.
    """

    code_K: Tensor
    vector_KD: Tensor
    hidden_K: Tensor | None = None

    @classmethod
    def of(cls, vector_ND: Tensor, known_N: Flags) -> "KnownVectors":
        """Leave out what is not known."""
        code_K = torch.from_numpy(np.flatnonzero(known_N))
        return cls(code_K, vector_ND[code_K])

    def dealt(self, generator: torch.Generator) -> "KnownVectors":
        """Return the same vectors, each that of another code."""
        order_K = torch.randperm(len(self.code_K), generator=generator)
        return replace(self, vector_KD=self.vector_KD[order_K])

    def scaled(self, root_mean_square: float) -> "KnownVectors":
        """Return the vectors times one factor, so that the numbers of those that are not hidden have this root mean square."""
        found = self._seen.square().mean().sqrt().clamp_min(torch.finfo(self.vector_KD.dtype).tiny)
        return replace(self, vector_KD=self.vector_KD * (root_mean_square / found))

    def centred(self) -> "KnownVectors":
        """Return the vectors less the mean of those that are not hidden: 0, as of whom nothing is known, is then the average."""
        return replace(self, vector_KD=self.vector_KD - self._seen.mean(dim=0))

    def with_hidden(self, code_N: Tensor, vector_ND: Tensor) -> "KnownVectors":
        """Return the same vectors but for those of some codes, known so far or not, which are hidden.

        Args:
            code_N: the codes.
            vector_ND: their vectors.
        """
        kept_K = ~torch.isin(self.code_K, code_N)
        hidden_K = torch.zeros_like(kept_K) if self.hidden_K is None else self.hidden_K
        code_M, order_M = torch.cat([self.code_K[kept_K], code_N]).sort()
        vector_MD = torch.cat([self.vector_KD[kept_K], vector_ND])[order_M]
        hidden_M = torch.cat([hidden_K[kept_K], torch.ones(len(code_N), dtype=torch.bool)])[order_M]
        return KnownVectors(code_M, vector_MD, hidden_M)

    @property
    def _seen(self) -> Tensor:
        return self.vector_KD if self.hidden_K is None else self.vector_KD[~self.hidden_K]


class Pretraining(ABC):
    """Learns vectors from the fit days alone.

    Args:
        config: its options.
    """

    Config: ClassVar[type[PretrainingOptions]]
    reads_rows: ClassVar[bool] = False
    """Whether it learns from rows that were not watched, too: then it is given those of the fit days."""
    hides: ClassVar[bool] = False
    """Whether rows of the fit read none of some users' vectors, which joined fields have all the same."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @classmethod
    def reads_content(cls, config: Any) -> bool:
        """Tell whether it learns from the content of videos: then it is given the watches of those that have some."""
        return False

    @abstractmethod
    def learned(self, watched: Watched, width: int, generator: torch.Generator) -> tuple[KnownVectors, KnownVectors]:
        """Return vectors of users and of videos; the generator draws all that is drawn.

        Args:
            watched: who watched what on the fit days.
            width: D.
            generator: of this fit alone.
        """

    def learn(self, watched: Watched, width: int, seed: int) -> tuple[KnownVectors, KnownVectors]:
        """Return vectors of users and of videos, dealt to others where that is asked for; torch's own generator is left as it was.

        Args:
            watched: who watched what on the fit days.
            width: D.
            seed: of all that is drawn.
        """
        generator = torch.Generator().manual_seed(seed)
        user, video = self.learned(watched, width, generator)
        return (user.dealt(generator), video.dealt(generator)) if self.config.shuffled else (user, video)


class FittedPretraining(Pretraining):
    """What a fit of vectors learns step by step."""

    @abstractmethod
    def begin(self, watched: Watched, width: int, generator: torch.Generator) -> VectorFit:
        """Return what is learned, before the first step; the generator draws all that is drawn."""

    def learned(self, watched: Watched, width: int, generator: torch.Generator) -> tuple[KnownVectors, KnownVectors]:
        """Pass over the watches as often as the configuration says."""
        fit = self.begin(watched, width, generator)
        for _ in range(self.config.epochs):
            fit.one_pass(self.config.batch_size, generator)
        user, video = (KnownVectors.of(*of) for of in zip(fit.vectors(), fit.known, strict=True))
        return user, video
