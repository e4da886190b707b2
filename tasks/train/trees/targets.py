"""What the trees of a score are fitted to, and how what they say is read back.

XAUC asks for the order alone, and squared error of a spread-out label (a logarithm, a percentile) orders best: absolute
error learns a median, which many rows share. Sources: docs/methods/watch_time.md#boosted-trees.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models.heads.base import TrainLabels
from tasks.train.duration_buckets import DurationBuckets
from tasks.train.trees.config import TargetName, TreesRecipe

Floats = NDArray[np.float64]
State = dict[str, NDArray[Any]]


class Target(ABC):
    """One choice of label and loss."""

    loss: ClassVar[str]
    """LightGBM's name of the loss."""

    @classmethod
    def fit(cls, labels: TrainLabels, recipe: TreesRecipe) -> Self:
        """Learn what the label needs from the fit rows."""
        return cls()

    @abstractmethod
    def encode(self, watch_s: Floats, duration_s: Floats) -> Floats:
        """Return the label of rows."""

    def decode(self, predicted: Floats, duration_s: Floats) -> Floats:
        """Return a score of which more is longer, whatever the duration."""
        return predicted

    def state(self) -> State:
        """Return what `decode` needs, as arrays."""
        return {}

    @classmethod
    def restored(cls, state: State) -> Self:
        """Return a target that decodes, from what `state` gave."""
        return cls()


class LogWatch(Target):
    """log(1 + seconds) under squared error."""

    loss = "regression"

    def encode(self, watch_s: Floats, duration_s: Floats) -> Floats:
        """Return log(1 + seconds)."""
        return np.log1p(watch_s)


@dataclass(frozen=True, eq=False)
class Percentile(Target):
    """The percentile of the watch time among all fit rows, under squared error.

    Attributes:
        sorted_s: watch times of the fit rows in order, seconds; empty in a restored target, which only decodes.
    """

    loss = "regression"
    sorted_s: Floats

    @classmethod
    def fit(cls, labels: TrainLabels, recipe: TreesRecipe) -> Self:
        """Sort the watch times."""
        return cls(np.sort(labels.watch_s))

    def encode(self, watch_s: Floats, duration_s: Floats) -> Floats:
        """Return mid-rank shares in [0, 1]."""
        below, up_to = (np.searchsorted(self.sorted_s, watch_s, side) for side in ("left", "right"))
        shares: Floats = (below + up_to) / (2 * self.sorted_s.size)
        return shares

    @classmethod
    def restored(cls, state: State) -> Self:
        """Return a target that decodes."""
        return cls(np.empty(0))


class Seconds(Target):
    """Seconds under absolute error."""

    loss = "regression_l1"

    def encode(self, watch_s: Floats, duration_s: Floats) -> Floats:
        """Return the seconds."""
        return watch_s


@dataclass(frozen=True, eq=False)
class DurationPercentile(Target):
    """The percentile among fit rows of the same duration bucket under absolute error, read back in seconds.

    Attributes:
        buckets: of the fit rows.
    """

    loss = "regression_l1"
    buckets: DurationBuckets

    @classmethod
    def fit(cls, labels: TrainLabels, recipe: TreesRecipe) -> Self:
        """Cut the durations."""
        return cls(DurationBuckets.fit(labels.watch_s, labels.duration_s, recipe.duration_groups))

    def encode(self, watch_s: Floats, duration_s: Floats) -> Floats:
        """Return mid-rank shares within the bucket, in [0, 1]."""
        return self.buckets.percentile(watch_s, duration_s)

    def decode(self, predicted: Floats, duration_s: Floats) -> Floats:
        """Return the seconds at a percentile of its bucket."""
        return self.buckets.decode(np.clip(predicted, 0, 1), duration_s)

    def state(self) -> State:
        """Return the buckets."""
        return {"cuts_s": self.buckets.cuts_s, "watch_s": self.buckets.watch_s, "starts": self.buckets.starts}

    @classmethod
    def restored(cls, state: State) -> Self:
        """Return the buckets' target."""
        return cls(DurationBuckets(state["cuts_s"], state["watch_s"], state["starts"]))


TARGETS: Mapping[TargetName, type[Target]] = {
    "log": LogWatch,
    "percentile": Percentile,
    "seconds": Seconds,
    "duration_percentile": DurationPercentile,
}
"""The targets by name. A new one is one class and one line here, and its name in the configuration."""
