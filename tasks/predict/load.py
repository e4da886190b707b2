"""Read whatever a folder holds: one recipe or an ensemble."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.predict.ensemble import load_ensemble
from tasks.predict.load_fitted import load_fitted
from tasks.predict.manifest import ServableEnsemble, read_manifest
from tasks.predict.model import Model


def load_model(path: Path, seeds: Sequence[int] | None = None) -> Model[Any]:
    """Read a bundle or an ensemble.

    Args:
        path: folder of the model.
        seeds: seeds to load; None: all.

    Raises:
        TrainingError: if it is neither, or is damaged.
    """
    load = load_ensemble if isinstance(read_manifest(path), ServableEnsemble) else load_fitted
    return load(path, seeds)
