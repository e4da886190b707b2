"""Checkpoints from which a killed fit goes on to the very bytes it would have reached.

One folder per seed below a key made of everything the fit depends on, so a stale checkpoint is never found.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tasks.core.files import read_json, write_json, writing


@dataclass(frozen=True)
class Progress:
    """Where a fit stands.

    Attributes:
        epoch: epochs completed.
        step: steps done in the running epoch.
        best: lowest value of the stopping criterion so far; None before the first epoch ended.
        best_epoch: epoch (from 1) that reached it.
        max_epochs: epochs at most, those of an earlier phase counted in.
        curves: one row per completed epoch.
    """

    epoch: int
    step: int
    best: float | None
    best_epoch: int
    max_epochs: int
    curves: list[dict[str, Any]]


def save_checkpoint(folder: Path, progress: Progress, tensors: dict[str, Tensor]) -> None:
    """Write a checkpoint in the place of the last one, together with the state of the random generators."""
    tensors = tensors | {"rng.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["rng.cuda"] = torch.cuda.get_rng_state()
    with writing(folder) as temporary:
        temporary.mkdir(parents=True)
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
            temporary / "state.safetensors",
        )
        write_json(temporary / "progress.json", asdict(progress))


def load_checkpoint(folder: Path) -> tuple[Progress, dict[str, Tensor]] | None:
    """Return the last checkpoint and restore the random generators, or None where there is none.

    A checkpoint of a card goes on without one too; dropout is then drawn by another generator.
    """
    if not (folder / "progress.json").is_file():
        return None
    tensors = load_file(folder / "state.safetensors")
    torch.set_rng_state(tensors.pop("rng.cpu"))
    on_card = tensors.pop("rng.cuda", None)
    if on_card is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(on_card)
    return Progress(**read_json(folder / "progress.json")), tensors


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under `prefix.name`."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that stand under a prefix, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
