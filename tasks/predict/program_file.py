"""An exported program as a file, and what is said of it beside."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from tasks.predict.model import Model
from tasks.predict.signature import outputs

PROGRAM = "program.pt2"


def save_program(program: ExportedProgram, folder: Path) -> None:
    """Write a program; torch writes the file's name into the archive, so it is saved through a buffer."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    (folder / PROGRAM).write_bytes(buffer.getbuffer())


def example_outputs(names: Iterable[str]) -> dict[str, Tensor]:
    """Return two rows of outputs, to trace a program with."""
    return {name: torch.zeros(2, dtype=torch.float64) for name in names}


def example_durations() -> Tensor:
    """Return the durations of those rows, seconds."""
    return torch.full((2,), 30.0, dtype=torch.float64)


def about(model: Model[Any], kind: str, seed: int) -> dict[str, Any]:
    """Return what the signature of every exported model says.

    Args:
        model: what was exported.
        kind: network, trees or ensemble.
        seed: of the fit.
    """
    return {
        "name": model.manifest.name,
        "kind": kind,
        "seed": seed,
        "fitted_on": list(model.manifest.days.fit),
        "outputs": outputs(model.outputs(seed)),
    }
