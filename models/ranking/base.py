"""The one interface of every term that asks for the order inside a list, beside the loss of the rows.

Shape legend: B rows of the batch, P pairs, G lists; list g stands at place g + 1, place 0 is of rows without a list.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from models.component import ComponentConfig
from models.heads.base import LabelState, TrainLabels
from models.ranges import WeightOrNone


class RankingOptions(ComponentConfig):
    """What every term takes."""

    lists: Literal["user_day", "user_day_scene"] = "user_day"
    """Rows that are compared, and kept together in a batch: those of one user and local day, or of one scene in it too.
    Never those of two days: the later one's features hold the earlier one's label."""

    @property
    def ranked(self) -> Mapping[str, float]:
        """Task that the term is added to -> its weight there."""
        return {}

    @property
    def grouped(self) -> bool:
        """Whether batches keep lists together."""
        return bool(self.ranked)

    @property
    def weighs_by_propensity(self) -> bool:
        """Whether `Batch.propensity_B` must be given."""
        return False


class TermOptions(RankingOptions):
    """What every term that ranks takes."""

    weight: WeightOrNone = 0.1
    """Gradient of the term on the head's outputs, as a share of that of the task's own loss in the first epoch; the factor
    found then stays. Usual: 0.05, 0.1, 0.3, 1. 0: without it, batches as they were."""
    tasks: tuple[str, ...] = ("watch_time",)
    """Tasks that it is added to; `watch_time_<name>` is the further head of that name."""

    @property
    def ranked(self) -> Mapping[str, float]:
        """Task that the term is added to -> its weight there."""
        return dict.fromkeys(self.tasks, self.weight) if self.weight else {}


@dataclass(frozen=True)
class ListedRows:
    """What a term knows about the rows of one task.

    Attributes:
        score_B: ranking score, on the scale on which a difference of 1 is large.
        label_B: seconds for watch time, 0/1 otherwise.
        duration_B: seconds.
        group_B: int64, equal codes are the same list, below B; -1 for a row that is compared with none.
        weight_B: weight of the row in pairs, one over its propensity; ones where nothing is weighed.
        pair_P2: int64, rows of the pairs to compare, each pair of one list once.
        binary: True for a 0/1 label, False for watch time.
    """

    score_B: Tensor
    label_B: Tensor
    duration_B: Tensor
    group_B: Tensor
    weight_B: Tensor
    pair_P2: Tensor
    binary: bool = False

    @cached_property
    def places(self) -> Tensor:
        """Place of every row's list among the sums of `sum`, [B]."""
        return self.group_B + 1

    @cached_property
    def lengths(self) -> Tensor:
        """Rows of every list, none at place 0, [B + 1]."""
        length_G = self.sum(torch.ones_like(self.score_B))
        return torch.cat([length_G.new_zeros(1), length_G[1:]])

    @cached_property
    def ranks(self) -> Tensor:
        """Place of every row in the order of its list by score, from 1; equal scores share the first of theirs, [B]."""
        by_score_B = torch.argsort(self.score_B.detach(), descending=True, stable=True)
        order_B = by_score_B[torch.argsort(self.places[by_score_B], stable=True)]
        list_B, score_B = self.places[order_B], self.score_B.detach()[order_B]
        at_B = torch.arange(len(order_B), device=order_B.device)
        before_B = (at_B - 1).clamp(min=0)
        new_list_B = (at_B == 0) | (list_B != list_B[before_B])
        new_score_B = new_list_B | (score_B != score_B[before_B])
        list_from_B, score_from_B = (
            torch.cummax(torch.where(new_B, at_B, 0), 0).values for new_B in (new_list_B, new_score_B)
        )
        return torch.empty_like(at_B).index_copy(0, order_B, score_from_B - list_from_B + 1)

    def sum(self, value_B: Tensor, list_B: Tensor | None = None) -> Tensor:
        """Return the sum of a value over every list, [B + 1].

        Args:
            value_B: [B], or anything as long as `list_B`.
            list_B: places of the lists; None: those of the rows.
        """
        places = self.places if list_B is None else list_B
        return value_B.new_zeros(len(self.group_B) + 1).index_add(0, places, value_B)

    def largest(self, value_B: Tensor) -> Tensor:
        """Return the largest value of every list, -inf where it has no row, without gradient, [B + 1]."""
        found_G = value_B.new_full((len(self.group_B) + 1,), -torch.inf)
        return found_G.scatter_reduce(0, self.places, value_B.detach(), "amax")

    def mean_over_lists(self, loss_G: Tensor, counts_G: Tensor) -> Tensor:
        """Return the mean of the lists' losses by their rows, over those that count; 0 where none does.

        Args:
            loss_G: [B + 1].
            counts_G: bool [B + 1].
        """
        weight_G = torch.where(counts_G, self.lengths, 0.0)
        return (weight_G * loss_G).sum() / weight_G.sum().clamp(min=1)


class Ranking(nn.Module, ABC):
    """Turns scores and labels of the lists of a batch into one scalar that falls as their order comes right."""

    Config: ClassVar[type[RankingOptions]]
    divisible: ClassVar[bool] = False
    """True where several processes can take a part of the rows each: lists would be torn apart."""
    weighs_rows: ClassVar[bool] = False
    """True where it learns from selected rows as from all: of a list, the rows that were left out would be missing."""

    @classmethod
    def fit_state(cls, config: Any, labels: TrainLabels) -> LabelState:
        """Fit what the term needs to know of train labels; nothing unless it says otherwise."""
        return {}

    def __init__(self, config: Any, state: LabelState, clip: float) -> None:
        """Make the term of one task.

        Args:
            config: of the kind.
            state: what `fit_state` returned.
            clip: least propensity that a weight is made of.
        """
        super().__init__()

    @abstractmethod
    def forward(self, rows: ListedRows) -> Tensor:
        """Return the loss; 0 where no list can be ordered."""

    def after_epoch(self) -> None:
        """Look at a finished epoch; nothing unless the term says otherwise.

        Raises:
            ValueError: if it cannot carry what it is asked for.
        """
