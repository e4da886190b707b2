"""Counters that decide what a step does. They stay on the CPU, where reading them costs nothing, wherever the rest moves."""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn


class Counting(nn.Module):
    """A module with counters, part of its state like other buffers."""

    def __init__(self) -> None:
        super().__init__()
        self._counters: list[str] = []

    def register_counter(self, name: str) -> None:
        """Make room for an int64 number, at first 0."""
        self.register_buffer(name, torch.zeros((), dtype=torch.int64))
        self._counters.append(name)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or cast all but the counters; every `to`, `cuda` and `float` of a module comes through here."""
        stay = {name: self._buffers[name] for name in self._counters}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._buffers.update(stay)
        return self
