"""Checkpoints from which a killed fit goes on to the very bytes it would have reached.

One folder per seed below a key made of everything the fit depends on, so a stale checkpoint is never found. Processes that fit
together write what each holds, and go on from the last step that all of them had written.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tasks.core.files import hash_value, read_json, remove, write_json, writing
from tasks.train.group import Group

_COMPLETE = "complete.json"
"""Names the checkpoint that every process has written."""


def checkpoints_of(scratch: Path, name: str, hashes: Mapping[str, str]) -> Path:
    """Return where the fits of a recipe leave what a killed one goes on from: a name made of all that they depend on.

    Args:
        scratch: folder of the workspace.
        name: of the recipe.
        hashes: of table, code and settings.
    """
    return scratch / "checkpoints" / hash_value([name, hashes])[:32]


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


class Checkpoints:
    """The checkpoint of one fit, by one process or by several together.

    Args:
        folder: of the fit.
        group: processes that fit together; they see one file system.
    """

    def __init__(self, folder: Path, group: Group) -> None:
        self._folder, self._group = folder, group

    def save(self, progress: Progress, tensors: dict[str, Tensor]) -> None:
        """Write a checkpoint in the place of the last one, which stands until every process has written its part."""
        if self._group.alone:
            save_checkpoint(self._folder, progress, tensors)
            return
        last, name = self._complete(), f"epoch{progress.epoch}-step{progress.step}"
        save_checkpoint(self._folder / name / self._own, progress, tensors)
        self._group.wait()
        if self._group.rank == 0:
            write_json(self._folder / _COMPLETE, name)
            if last not in (None, name):
                remove(self._folder / str(last))
        self._group.wait()

    def load(self) -> tuple[Progress, dict[str, Tensor]] | None:
        """Return what this process wrote into the last checkpoint, as `load_checkpoint` does; None where there is none.

        Raises:
            LostError: if processes would begin at different places, or with other code, settings or tables, of which the
                folder's name is made.
        """
        if self._group.alone:
            return load_checkpoint(self._folder)
        name = self._complete()
        self._group.agree((*self._folder.parts[-2:], name))
        return None if name is None else load_checkpoint(self._folder / name / self._own)

    @property
    def _own(self) -> str:
        return f"rank{self._group.rank}"

    def _complete(self) -> str | None:
        """Return the name of the last checkpoint that every process has written."""
        file = self._folder / _COMPLETE
        return str(read_json(file)) if file.is_file() else None


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under `prefix.name`."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that stand under a prefix, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
