"""The one interface of every watch-time head (docs/methods/watch_time.md#head-interface).

A head is a `torch.nn.Module` whose label state (quantiles, thresholds, scales ...) was fitted on train rows only and
is held in buffers, so that it travels with `state_dict`, `torch.export` and the device. Units are seconds throughout.

Shape legend: B rows, O outputs of a head, S statistics of a label.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.component import ComponentConfig
from models.heads.completion import is_complete
from models.heads.finite_law import NUM_NODES, node_weights, nodes
from models.heads.links import LAW, Links, expectations, learning_loss

LabelState = dict[str, NDArray[Any]]
"""What a head learned from train labels: name -> array (a scalar is an array of shape ()). Saved as safetensors."""
LONGEST = "longest_s"
"""Entry of every label state where the label counts replays: the longest train watch time, float32 ()."""


@dataclass(frozen=True)
class TrainLabels:
    """Labels of the train rows, the only rows label state may see.

    Attributes:
        watch_s: float64 [rows], seconds.
        duration_s: float64 [rows], seconds.
        levels: categorical field -> int64 [rows], 0 for "unknown"; the fields that the recipe's heads read.
        truncated: whether labels end at the duration, min(play, duration); false where they count replays. What the
            table is configured for, never what its rows show: one replay more or less must not move a decode.

    Raises:
        ValueError: if there is no row, the vectors differ in length, or a truncated label exceeds its duration.
    """

    watch_s: NDArray[np.float64]
    duration_s: NDArray[np.float64]
    levels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    truncated: bool = True

    def __post_init__(self) -> None:
        if self.watch_s.shape != self.duration_s.shape or self.watch_s.ndim != 1:
            raise ValueError(
                f"watch_s {self.watch_s.shape} and duration_s {self.duration_s.shape} must be equal vectors"
            )
        if len(self.watch_s) == 0:
            raise ValueError("label state cannot be fitted on no rows: the fit window holds no impression")
        beyond = np.flatnonzero(self.watch_s > self.duration_s)
        if self.truncated and len(beyond):
            at = f"row {beyond[0]}: {self.watch_s[beyond[0]]:g} s of {self.duration_s[beyond[0]]:g} s"
            raise ValueError(
                f"{len(beyond)} labels exceed their duration ({at}), yet they are said to be truncated there"
            )


class Head(nn.Module, ABC):
    """Maps the watch-time tower's outputs to a loss, a ranking score, a mean and a median.

    `monotone` says whether the score and the native mean give one order within a duration.
    """

    Config: ClassVar[type[ComponentConfig]]
    monotone: ClassVar[bool]
    longest_s: Tensor

    @classmethod
    @abstractmethod
    def fit_state(cls, config: Any, labels: TrainLabels) -> LabelState:
        """Fit the label state on train rows."""

    def __init__(self, config: Any, state: LabelState) -> None:
        super().__init__()
        self.config = config
        self.truncated = LONGEST not in state
        longest = torch.tensor(float(state.get(LONGEST, 0.0)), dtype=torch.float32)
        self.register_buffer(LONGEST, longest, persistent=False)

    @property
    @abstractmethod
    def num_outputs(self) -> int:
        """Outputs the head reads per row."""

    def longest(self, duration_B: Tensor) -> Tensor:
        """Return the longest watch time that a row's label can have, seconds [B]: its duration, unless replays count."""
        return torch.maximum(duration_B, self.longest_s)

    def censored(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return which labels say no more than "at least so long", bool [B]: complete plays, unless replays count."""
        return is_complete(watch_B, duration_B) & self.truncated

    def of(self, level_of: Callable[[str], Tensor]) -> Self:
        """Return the head for rows of which it may ask their levels; itself where it reads no field.

        Args:
            level_of: categorical field -> int64 [B], 0 for "unknown". The fields a head asks for are `config.fields`.
        """
        return self

    @abstractmethod
    def loss(self, out_BO: Tensor, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the unit-free loss of every row, [B]."""

    @property
    def links(self) -> Links:
        """The ranges of the label's statistics."""
        return ((LAW, NUM_NODES),)

    @property
    def num_statistics(self) -> int:
        """Numbers that say of a label what its loss needs to know."""
        return sum(width for _, width in self.links)

    def statistics(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return what the loss needs to know of a label, [B, S], such that its mean suffices for the expected loss.

        By default the label as a law on nodes between 0 and `longest`.
        """
        return node_weights(watch_B, self.longest(duration_B))

    def expected_statistics(self, raw_BS: Tensor) -> Tensor:
        """Return what the outputs of a network say of E[statistics | x], [B, S]."""
        return expectations(self.links, raw_BS)

    def statistics_loss(self, raw_BS: Tensor, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the loss under which such a network learns, [B]."""
        return learning_loss(self.links, raw_BS, self.statistics(watch_B, duration_B))

    def expected_loss(self, out_BO: Tensor, statistics_BS: Tensor, duration_B: Tensor) -> Tensor:
        """Return the loss to be expected of outputs under expected statistics, [B].

        For every law of the label and all outputs it is E[loss(out, y)], up to a term without the outputs: so its least
        value lies where that of the expected loss does, whether or not the law is one that the head can state. A head
        whose loss is linear in no few functions of the label takes this default: the mean over nodes, exact for laws on
        them, and else for the loss interpolated between them.
        """
        node_BN = nodes(self.longest(duration_B))
        times = node_BN.shape[1]
        loss_B = self.loss(out_BO.repeat_interleave(times, 0), node_BN.flatten(), duration_B.repeat_interleave(times))
        return (statistics_BS * loss_B.view_as(node_BN)).sum(dim=1)

    @abstractmethod
    def score(self, out_BO: Tensor, duration_B: Tensor) -> Tensor:
        """Return the ranking score of every row, [B]."""

    def latent_label(self, watch_B: Tensor, duration_B: Tensor) -> Tensor | None:
        """Return watch time on the scale of the head's one output, for models of a latent index; None: it has none."""
        return None

    def decode_mean(self, out_BO: Tensor, duration_B: Tensor) -> Tensor | None:
        """Return E[watch | x] in seconds, clipped to [0, longest], or None where the head has no native mean."""
        return None

    def decode_median(self, out_BO: Tensor, duration_B: Tensor) -> Tensor | None:
        """Return the median of watch given x in seconds, clipped to [0, longest], or None where it has none."""
        return None
