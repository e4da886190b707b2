"""One step of a fit, and what is kept of it: nothing here waits for the device, which is looked at now and then.

Shape legend: T trained tasks.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from models.batch import Batch
from models.ranker import Ranker, refuse_non_finite
from tasks.train.config import TrainingConfig
from tasks.train.device import Device
from tasks.train.group import ALONE, Group
from tasks.train.growth import Growth
from tasks.train.optimizers import Optimizers

LOOK_STEPS = 50
"""Steps between two looks at the device."""


class Step:
    """Forward, losses, backward, both optimizers. Of processes that fit together each takes a part of the rows.

    Args:
        ranker: the model, on its device.
        config: of the optimizers.
        device: where the ranker is, and in which precision it computes.
        group: processes that fit together.
    """

    def __init__(self, ranker: Ranker, config: TrainingConfig, device: Device, group: Group = ALONE) -> None:
        self.ranker, self.device, self.group = ranker, device, group
        self.optimizers = Optimizers(ranker, config, group)
        self._shared = ranker.shared_parameters()
        self._grow = Growth(ranker, self.optimizers)

    def __call__(self, batch: Batch) -> Tensor:
        """Take one step.

        Args:
            batch: rows, on the device; the same in every process.

        Returns:
            The losses of the trained tasks over the batch and the norm of the gradient before clipping, float64 [T + 1] on the device.

        Raises:
            ValueError: if the parts of the recipe do not go together.
        """
        part, share = self.group.part(batch)
        self.optimizers.prepare(part)
        with self.device.autocast():
            losses = self.ranker.losses(part)
        self.ranker.balance.backward(losses, self._shared)
        losses_T = torch.stack(list(losses.values())).detach()
        self.optimizers.join(losses_T, share)
        norm = self.optimizers.step()
        self.ranker.balance.after_step(lambda: self.ranker.losses(part))
        self._grow()
        return torch.cat([losses_T, norm.unsqueeze(0)]).double()


class StepRecord:
    """The losses of an epoch, summed, and what the steps since the last look were, all on the device.

    Args:
        tasks: the trained tasks.
        device: where the sums are kept.
    """

    def __init__(self, tasks: Sequence[str], device: str) -> None:
        self.tasks = tuple(tasks)
        self.sums = torch.zeros(len(self.tasks), dtype=torch.float64, device=device)
        self._unseen: list[Tensor] = []

    def add(self, numbers: Tensor) -> None:
        """Keep what `Step` returned."""
        self.sums += numbers[:-1]
        self._unseen.append(numbers)

    def look(self, done: int) -> None:
        """Read the steps since the last look, in one copy.

        Args:
            done: steps of the epoch that were taken.

        Raises:
            NotFiniteError: for the first step with a loss or a gradient that is not finite.
        """
        if not self._unseen:
            return
        rows, self._unseen = torch.stack(self._unseen).tolist(), []
        for step, (*losses, norm) in enumerate(rows, start=done - len(rows) + 1):
            by_task = dict(zip(self.tasks, losses, strict=True))
            try:
                refuse_non_finite(by_task)
            except FloatingPointError as error:
                raise NotFiniteError(step, str(error)) from error
            if not math.isfinite(norm):
                raise NotFiniteError(step, f"the gradient is not finite; losses {by_task}")


class NotFiniteError(FloatingPointError):
    """A step gave a number that is not finite.

    Attributes:
        step: its number in the epoch, from 1.
    """

    def __init__(self, step: int, what: str) -> None:
        super().__init__(what)
        self.step = step
