"""Bytes that depend on what a file is called (docs/methods/metrics.md#traps): equal weights would look changed to DVC."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tasks.train.bundle import weights_file, write_arrays, write_weights
from tasks.train.fit import Fitted
from tests.traps.twins import tells_apart

WEIGHTS = {"tower.weight": torch.arange(12.0).view(3, 4), "tower.bias": torch.ones(3)}
Write = Callable[[Path, int], Path]


def test_trap_17_equal_weights_have_equal_bytes_under_every_name(tmp_path: Path) -> None:
    def of_a_bundle(folder: Path, number: int) -> Path:
        write_weights(folder, Fitted(number, WEIGHTS, 0.0, 1, []), WEIGHTS)
        return weights_file(folder, number)

    def arrays(folder: Path, number: int) -> Path:
        path = folder / f"state-{number}.safetensors"
        write_arrays(path, {name: np.asarray(value) for name, value in WEIGHTS.items()})
        return path

    def pickled(folder: Path, number: int) -> Path:
        path = folder / f"model-{number}.pt"
        torch.save(WEIGHTS, path)
        return path

    def check(write: Write) -> None:
        first, second = (write(tmp_path, number) for number in (1, 2))
        assert first != second and first.read_bytes() == second.read_bytes()

    tells_apart(check, of_a_bundle, pickled)
    tells_apart(check, arrays, pickled)
