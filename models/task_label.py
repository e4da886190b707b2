"""What one task learns from the rows of a batch: its label, and how raw outputs are held against it.

Shape legend: B rows, O outputs of a head, S statistics of a label.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from models.batch import Batch
from models.heads.base import Head


@dataclass(frozen=True, eq=False)
class TaskLabel(ABC):
    """The label of a task in the rows of a batch; methods as `TaskRows` has them.

    Attributes:
        batch: the rows.
    """

    batch: Batch

    @property
    @abstractmethod
    def value(self) -> Tensor:
        """Seconds for watch time, 0/1 otherwise."""

    @property
    @abstractmethod
    def as_share(self) -> Tensor:
        """The label as a share in [0, 1]: of the duration for watch time."""

    @property
    @abstractmethod
    def as_latent(self) -> Tensor | None:
        """The label on the scale of the raw output; None where it has none."""

    @abstractmethod
    def loss(self, out_BO: Tensor, label_B: Tensor) -> Tensor:
        """Return row losses, [B]."""

    @abstractmethod
    def statistics(self, label_B: Tensor) -> Tensor:
        """Return what the loss needs to know of labels, [B, S]."""

    @abstractmethod
    def expected_statistics(self, raw_BS: Tensor) -> Tensor:
        """Return E[statistics | x] from outputs of an auxiliary tower, [B, S]."""

    @abstractmethod
    def statistics_loss(self, raw_BS: Tensor, label_B: Tensor) -> Tensor:
        """Return the row losses of an auxiliary tower, [B]."""

    @abstractmethod
    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor) -> Tensor:
        """Return expected row losses, [B], up to a term without the raw outputs."""

    @abstractmethod
    def share(self, out_BO: Tensor) -> Tensor | None:
        """Return the expected label on the unit scale, [B]; None where the head has no native mean."""

    @abstractmethod
    def rank_score(self, out_BO: Tensor) -> Tensor:
        """Return what orders the rows, [B]."""

    def of_watch_time(self) -> dict[str, Any]:
        """Return what `TaskRows` tells of watch time alone; nothing for a 0/1 label."""
        return {}


@dataclass(frozen=True, eq=False)
class WatchTimeLabel(TaskLabel):
    """Seconds, learned by a head.

    Attributes:
        head: bound to the rows.
    """

    head: Head

    @property
    def value(self) -> Tensor:
        """Seconds."""
        assert self.batch.watch_B is not None
        return self.batch.watch_B

    @property
    def as_share(self) -> Tensor:
        """Share of the duration."""
        return (self.value / self.batch.duration_B).clamp(0, 1)

    @property
    def as_latent(self) -> Tensor | None:
        """Watch time as the head transforms it."""
        return self.head.latent_label(self.value, self.batch.duration_B)

    def loss(self, out_BO: Tensor, label_B: Tensor) -> Tensor:
        """Return the head's loss, [B]."""
        return self.head.loss(out_BO, label_B, self.batch.duration_B)

    def statistics(self, label_B: Tensor) -> Tensor:
        """Return the head's statistics, [B, S]."""
        return self.head.statistics(label_B, self.batch.duration_B)

    def expected_statistics(self, raw_BS: Tensor) -> Tensor:
        """Return the statistics in the ranges that the head states, [B, S]."""
        return self.head.expected_statistics(raw_BS)

    def statistics_loss(self, raw_BS: Tensor, label_B: Tensor) -> Tensor:
        """Return the head's loss of its statistics, [B]."""
        return self.head.statistics_loss(raw_BS, label_B, self.batch.duration_B)

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor) -> Tensor:
        """Return the head's expected loss, [B]."""
        return self.head.expected_loss(out_BO, statistics_BS, self.batch.duration_B)

    def share(self, out_BO: Tensor) -> Tensor | None:
        """Return the head's mean over the duration, [B]."""
        mean_B = self.head.decode_mean(out_BO, self.batch.duration_B)
        return None if mean_B is None else mean_B / self.batch.duration_B

    def rank_score(self, out_BO: Tensor) -> Tensor:
        """Return the head's score, [B]."""
        return self.head.score(out_BO, self.batch.duration_B)

    def of_watch_time(self) -> dict[str, Any]:
        """Return the durations, which plays are complete, and how seconds become latent labels."""
        duration_B = self.batch.duration_B
        return {
            "latent_for": lambda watch_B: self.head.latent_label(watch_B, duration_B),
            "duration_B": duration_B,
            "complete_B": self.head.censored(self.value, duration_B),
        }


@dataclass(frozen=True, eq=False)
class BinaryLabel(TaskLabel):
    """A 0/1 label under one logit.

    Attributes:
        task: whose label.
        probability: logits [B] -> probabilities, as the objective serves them.
    """

    task: str
    probability: Callable[[Tensor], Tensor]

    @property
    def value(self) -> Tensor:
        """0/1."""
        return self.batch.labels[self.task]

    @property
    def as_share(self) -> Tensor:
        """The label itself."""
        return self.value

    @property
    def as_latent(self) -> Tensor:
        """The label itself."""
        return self.value

    def loss(self, out_BO: Tensor, label_B: Tensor) -> Tensor:
        """Return the log loss, [B]."""
        return _log_loss(out_BO, label_B)

    def statistics(self, label_B: Tensor) -> Tensor:
        """Return the label itself, [B, 1]."""
        return label_B.unsqueeze(1)

    def expected_statistics(self, raw_BS: Tensor) -> Tensor:
        """Return the probability, [B, 1]."""
        return torch.sigmoid(raw_BS.float())

    def statistics_loss(self, raw_BS: Tensor, label_B: Tensor) -> Tensor:
        """Return the log loss of the tower, [B]."""
        return _log_loss(raw_BS, label_B)

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor) -> Tensor:
        """Return the log loss against the probability, [B]."""
        return _log_loss(out_BO, statistics_BS[:, 0])

    def share(self, out_BO: Tensor) -> Tensor:
        """Return the probability, [B]."""
        return self.probability(out_BO[:, 0])

    def rank_score(self, out_BO: Tensor) -> Tensor:
        """Return the logit, [B]."""
        return out_BO[:, 0].float()


def _log_loss(out_BO: Tensor, target_B: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(out_BO[:, 0].float(), target_B, reduction="none")
