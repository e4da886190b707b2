"""The one interface of every model that ranks items after what a user watched.

Source: docs/methods/sequences.md#sequence-loss.

Shape legend: B users, L steps, D width of an embedding, N scored (user, step, item) triples.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from models.component import ComponentConfig
from models.encoders.history.causal import CausalSize


@dataclass(frozen=True)
class SequenceBatch:
    """Users to learn from. Codes are int64, 0 stands for nothing; steps are left-padded, oldest first.

    Attributes:
        item_BL: the positives a user has watched.
        positive_BL: the next positive after each.
        negative_BL: an item that the user has not met, for every positive.
        skip_BL: the skip directly before each positive, 0 where there is none.
    """

    item_BL: Tensor
    positive_BL: Tensor
    negative_BL: Tensor
    skip_BL: Tensor


@dataclass(frozen=True)
class Encoded:
    """What a model knows of each user at each step.

    Attributes:
        vector_BLD: a state per step, or an event per step for models that look back at all of them.
        mask_BL: bool, where a step stands.
    """

    vector_BLD: Tensor
    mask_BL: Tensor


@dataclass(frozen=True)
class Places:
    """Which user and step each score is asked at.

    Attributes:
        row_N: int64 positions on the axis of users.
        step_N: int64 positions on the axis of steps.
    """

    row_N: Tensor
    step_N: Tensor


class SequenceModelConfig(ComponentConfig):
    """What every model of sequences has."""

    embedding_dim: int = Field(default=50, gt=0)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    skip_margin: bool = False
    """Add the loss of the next positive against the skip directly before it."""
    l2: float = Field(default=0.0, ge=0)
    """Weight of the norm (not squared) of the item embeddings."""


class CausalConfig(SequenceModelConfig, CausalSize):
    """Size of the Transformer of SASRec and SINE."""

    dropout: float = Field(default=0.5, ge=0, lt=1)


class SequenceModel(nn.Module, ABC):
    """Scores items at the steps of users' sequences.

    A subclass builds its parts, then calls `initialise`.

    Args:
        config: the model's own configuration.
        num_items: items have codes 1 to this.
        max_length: the longest sequence.
    """

    Config: ClassVar[type[SequenceModelConfig]]

    def __init__(self, config: Any, num_items: int, max_length: int) -> None:
        super().__init__()
        self.config = config
        self.items = nn.Embedding(num_items + 1, config.embedding_dim, padding_idx=0)

    @abstractmethod
    def encode(self, item_BL: Tensor) -> Encoded:
        """Return the states; that of a step depends on no later step and on no padding."""

    def encode_training(self, batch: SequenceBatch) -> Encoded:
        """Return the states to learn from, which may know the labels."""
        return self.encode(batch.item_BL)

    def score(self, encoded: Encoded, places: Places, item_N: Tensor) -> Tensor:
        """Return the scores of items, [N]: the inner product with the state."""
        item_ND: Tensor = self.items(item_N)
        return (encoded.vector_BLD[places.row_N, places.step_N] * item_ND).sum(dim=1)

    def margin(self, encoded: Encoded, places: Places, positive_N: Tensor, skip_N: Tensor) -> Tensor:
        """Return by how much positives are ahead of skips, [N]."""
        return self.score(encoded, places, positive_N) - self.score(encoded, places, skip_N)

    def penalty(self) -> Tensor:
        """Return what the loss adds for the parameters, scalar."""
        if self.config.l2 == 0:
            return self.items.weight.new_zeros(())
        norm: Tensor = self.config.l2 * torch.linalg.vector_norm(self.items.weight)
        return norm

    def loss(self, batch: SequenceBatch) -> Tensor:
        """Return the scalar loss: the mean over steps against negatives, that over steps with a skip, and the penalty."""
        encoded = self.encode_training(batch)
        places = _places(batch.positive_BL != 0)
        positive_N = self.score(encoded, places, _at(batch.positive_BL, places))
        negative_N = self.score(encoded, places, _at(batch.negative_BL, places))
        loss = -functional.logsigmoid(positive_N - negative_N).mean() + self.penalty()
        if not self.config.skip_margin or not bool((batch.skip_BL != 0).any()):
            return loss
        places = _places(batch.skip_BL != 0)
        margin_N = self.margin(encoded, places, _at(batch.positive_BL, places), _at(batch.skip_BL, places))
        return loss - functional.logsigmoid(margin_N).mean()

    @torch.no_grad()
    def predict(self, item_BL: Tensor, row_N: Tensor, item_N: Tensor) -> Tensor:
        """Return the scores of items after the last step of their users, [N].

        Args:
            item_BL: sequences, each with at least one item.
            row_N: position of each item's user on the axis of users.
            item_N: item codes.
        """
        last_N = torch.full_like(row_N, item_BL.shape[1] - 1)
        return self.score(self.encode(item_BL), Places(row_N, last_N), item_N)

    def initialise(self) -> None:
        """Draw every matrix by Xavier's normal rule, as public code does; the embedding of padding is 0."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter)
        with torch.no_grad():
            self.items.weight[0] = 0


def _places(where_BL: Tensor) -> Places:
    row_N, step_N = where_BL.nonzero(as_tuple=True)
    return Places(row_N, step_N)


def _at(code_BL: Tensor, places: Places) -> Tensor:
    return code_BL[places.row_N, places.step_N]
