"""When a fit ends, and which of its epochs counts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

State = TypeVar("State")


@dataclass
class EarlyStopping(Generic[State]):
    """Ends a fit after `patience` epochs in a row without a lower criterion, or after `max_epochs`.

    A tie is no improvement: the earliest of equal epochs counts. The first epoch always counts.

    Attributes:
        max_epochs: epochs at most.
        patience: epochs in a row without improvement that end the fit.
        epoch: epochs closed so far.
        best: lowest criterion so far; None before the first epoch.
        best_epoch: epoch that reached it, from 1.
        kept: the state after that epoch.
    """

    max_epochs: int
    patience: int
    epoch: int = 0
    best: float | None = None
    best_epoch: int = 0
    kept: State | None = None

    def improved(self, value: float, state: Callable[[], State]) -> bool:
        """Close an epoch; return whether it is the best so far.

        Args:
            value: its criterion, lower is better.
            state: returns a copy of what the epoch left; called only where the epoch is the best so far.
        """
        self.epoch += 1
        if self.best is not None and not value < self.best:
            return False
        self.best, self.best_epoch, self.kept = value, self.epoch, state()
        return True

    def again(self) -> "EarlyStopping[State]":
        """Return what ends a further fit that goes on from the best epoch of this one: as many epochs at most, counted on."""
        return replace(self, max_epochs=self.epoch + self.max_epochs, best=None, best_epoch=self.epoch)

    @property
    def exhausted(self) -> bool:
        """Whether no further epoch is due."""
        return self.epoch >= self.max_epochs or self.epoch - self.best_epoch >= self.patience
