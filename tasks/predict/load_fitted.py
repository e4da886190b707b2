"""Read the bundle of one recipe, whatever it is made of."""

from collections.abc import Sequence
from pathlib import Path

from tasks.predict.bundle import load_bundle
from tasks.predict.fitted import FittedModel
from tasks.predict.manifest import read_manifest
from tasks.predict.trees import load_trees
from tasks.train.trees.manifest import ServableTrees


def load_fitted(path: Path, seeds: Sequence[int] | None = None) -> FittedModel:
    """Read the bundle of a network or of trees.

    Args:
        path: folder that `tasks.train.run.train` wrote.
        seeds: seeds to load; None: all.

    Raises:
        TrainingError: if it is no bundle of one recipe, or is damaged.
    """
    load = load_trees if isinstance(read_manifest(path), ServableTrees) else load_bundle
    return load(path, seeds)
