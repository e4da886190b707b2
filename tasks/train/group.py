"""The processes that fit one recipe together, and what they exchange: every call here is made by all of them, in one order.

Shape legend: B rows of a batch, N values, D numbers of each.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from models.batch import Batch
from tasks.core.errors import LostError

Part = TypeVar("Part")


def _nothing_known() -> str:
    return "its own error says why"


@dataclass(frozen=True)
class Group:
    """This process among those that fit together.

    Attributes:
        rank: its number, from 0.
        size: how many they are; 1: nothing is exchanged.
        lost: says, once an exchange has failed, which process ended and why.
    """

    rank: int = 0
    size: int = 1
    lost: Callable[[], str] = _nothing_known

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.size == 1

    def part(self, batch: Batch) -> tuple[Batch, float]:
        """Return this process's rows of a batch, and which share of the batch they are.

        A process for which there is no row takes the first one, at a share of 0.
        """
        if self.alone:
            return batch, 1.0
        rows = len(batch)
        begin, end = self.rank * rows // self.size, (self.rank + 1) * rows // self.size
        return batch.take(slice(begin, end) if end > begin else slice(0, 1)), (end - begin) / rows

    def dealt(self, parts: Iterable[Part]) -> Iterator[Part | None]:
        """Yield this process's part of each round of `size` parts; None where the last round has none for it."""
        left = iter(parts)
        while found := list(islice(left, self.size)):
            yield found[self.rank] if self.rank < len(found) else None

    def gathered(self, dealt: Sequence[Part]) -> list[Part]:
        """Return what all processes made of what `dealt` gave them, in the order of the parts."""
        if self.alone:
            return list(dealt)
        with self._exchange():
            by_rank: list[Any] = [None] * self.size
            dist.all_gather_object(by_rank, list(dealt))
        absent = object()
        rounds = zip_longest(*by_rank, fillvalue=absent)
        return [part for of_round in rounds for part in of_round if part is not absent]

    def sum(self, values: Tensor) -> None:
        """Put the sum over the processes in the place of values; every process gets the same bits."""
        with self._exchange():
            dist.all_reduce(values)

    def counts(self, sent: Tensor) -> list[int]:
        """Return how many values each process sends to this one, given how many this one sends to each, int64 [size]."""
        received = torch.empty_like(sent)
        with self._exchange():
            dist.all_to_all_single(received, sent)
        return [int(count) for count in received.tolist()]

    def swap(self, values: Tensor, sent: list[int], received: list[int]) -> Tensor:
        """Send the first values to process 0, the next to process 1 ...; return those received, by process.

        Args:
            values: [N] or [N, D].
            sent: how many go to each process.
            received: how many come from each.
        """
        found = values.new_empty((sum(received), *values.shape[1:]))
        with self._exchange():
            dist.all_to_all_single(found, values.contiguous(), received, sent)
        return found

    def whole_table(self, own: Tensor, num_rows: int) -> Tensor | None:
        """Return a table of which every process holds its rows, [num_rows, D], on process 0; None on the others."""
        with self._exchange():
            if self.rank:
                dist.send(own.contiguous(), dst=0)
                return None
            whole = own.new_empty((num_rows, own.shape[1]))
            whole[:: self.size] = own
            for rank in range(1, self.size):
                part = torch.empty_like(whole[rank :: self.size])
                dist.recv(part, src=rank)
                whole[rank :: self.size] = part
            return whole

    def agree(self, value: Any) -> None:
        """Compare what every process must begin with alike: otherwise they would wait for each other for ever.

        Raises:
            LostError: if it is not the same in all of them.
        """
        if len(set(self.gathered([value]))) > 1:
            raise LostError(
                "processes that fit together would not begin with the same code, settings, table and checkpoint: has something "
                "been changed, or do they see different files? Run the stage again"
            )

    def wait(self) -> None:
        """Wait until every process is here."""
        with self._exchange():
            dist.barrier()

    @contextlib.contextmanager
    def _exchange(self) -> Iterator[None]:
        """Say of a failed exchange which process is missing.

        Raises:
            LostError: if another process has ended, or did not answer in time.
        """
        try:
            yield
        except RuntimeError as error:
            raise LostError(f"processes that fit together lost each other: {self.lost()}") from error


ALONE = Group()
