"""Where a fit runs, and in which precision."""

import contextlib
from dataclasses import dataclass

import torch

from models.ranker import Ranker
from tasks.core.errors import ConfigError
from tasks.train.config import TrainingConfig


@dataclass(frozen=True)
class Device:
    """The choices of a configuration, resolved on this machine.

    Attributes:
        name: cpu or cuda.
        bfloat16: whether the forward pass runs under bfloat16 autocast.
        compiled: whether trunk and towers are compiled.
    """

    name: str
    bfloat16: bool
    compiled: bool

    @classmethod
    def of(cls, config: TrainingConfig) -> "Device":
        """Resolve `auto`.

        Raises:
            ConfigError: if CUDA is asked for and absent.
        """
        if config.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("params.yaml: training.device is cuda, but torch sees no CUDA device: use auto or cpu")
        name = "cpu" if config.device == "cpu" or not torch.cuda.is_available() else "cuda"
        gains = name == "cuda"
        bfloat16 = gains if config.precision == "auto" else config.precision == "bfloat16"
        compiled = gains if config.compile == "auto" else config.compile == "on"
        return cls(name, bfloat16, compiled)

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context of a forward pass."""
        return torch.autocast(self.name, torch.bfloat16) if self.bfloat16 else contextlib.nullcontext()

    def place(self, ranker: Ranker) -> Ranker:
        """Move a ranker here, and compile what gains from it; the sparse lookups stay eager."""
        ranker = ranker.to(self.name)
        if self.compiled:
            ranker.trunk.compile()
            for tower in ranker.towers.values():
                tower.compile()
        return ranker
