"""Heads whose loss is linear in a few functions of the label, so that its expectation is exact under any law.

Shape legend: B rows, O outputs of a head, S statistics.
"""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from models.heads.base import Head
from models.heads.links import ANY, SHARE, Links


class LinearLoss(Head):
    """States its loss once: for expected statistics. That of a label is the one for its own statistics."""

    @property
    @abstractmethod
    def links(self) -> Links:
        """The ranges of the functions of the label that the loss is linear in."""

    @abstractmethod
    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return those functions of the label, [B, S]."""

    @abstractmethod
    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return the loss that the expectations make, up to a term without the outputs, [B]."""

    def loss(self, out_BO: Tensor, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the unit-free loss of every row, [B]."""
        return self.expected_loss(out_BO, self.statistics(watch_B, duration_B), duration_B)


class LatentRegression(LinearLoss):
    """Squared error between the one output f and a transformed watch time, the latent label, whose mean f estimates."""

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1

    @property
    def links(self) -> Links:
        """One: the latent label."""
        return ((ANY, 1),)

    @abstractmethod
    def latent_label(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return watch time on the scale of the output, [B]."""

    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the latent label, [B, 1]."""
        return self.latent_label(watch_B, duration_B).unsqueeze(1)

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return (f - z)^2 of every row, [B]."""
        return (out_BO[:, 0].float() - statistics_BS[:, 0]).square()


class PercentileRegression(LinearLoss):
    """Squared error between s(f) and how far up among comparable plays the watch time stands."""

    # There is no native mean whose order the score could share.
    monotone: ClassVar[bool] = False

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1

    @property
    def links(self) -> Links:
        """One: the percentile."""
        return ((SHARE, 1),)

    @abstractmethod
    def target(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the percentile of every row in [0, 1], float32 [B]."""

    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the percentile, [B, 1]."""
        return self.target(watch_B, duration_B).unsqueeze(1)

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return (s(f) - percentile)^2 of every row, [B]."""
        return (torch.sigmoid(out_BO[:, 0].float()) - statistics_BS[:, 0]).square()
