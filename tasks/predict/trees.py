"""One fitted recipe of trees as a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from models.recipe import UNWANTED
from tasks.core.errors import TrainingError
from tasks.core.labels import LABELS
from tasks.predict.fitted import FittedModel, read_calibrations, read_preprocessor
from tasks.predict.manifest import read_manifest
from tasks.predict.model import Predictions
from tasks.train.batches import EncodedRows
from tasks.train.bundle import read_arrays
from tasks.train.trees.columns import TreeColumns
from tasks.train.trees.config import TreesRecipe
from tasks.train.trees.forest import Forest, seed_folder
from tasks.train.trees.manifest import ServableTrees
from tasks.train.trees.run import TARGET_STATE
from tasks.train.trees.targets import TARGETS


@dataclass(frozen=True)
class TreeBundle(FittedModel):
    """Fitted trees, ready to predict with as many threads as torch has.

    Attributes:
        forests: seed -> its trees.
    """

    manifest: ServableTrees
    forests: dict[int, Forest]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds whose trees were loaded."""
        return tuple(self.forests)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Binary tasks that have trees."""
        boosters = next(iter(self.forests.values())).boosters
        return tuple(task for task in LABELS if f"p_{task}" in boosters)

    def sign(self, task: str) -> int:
        """Return -1 for what nobody wants, else 1."""
        return -1 if task in UNWANTED else 1

    @property
    def recipe(self) -> TreesRecipe:
        """What was fitted."""
        return self.manifest.recipe

    @property
    def reads_history(self) -> bool:
        """Trees read no events."""
        return False

    def predict_raw(self, rows: EncodedRows, seed: int) -> Predictions:
        """Return `score`, `mean` where it has trees of its own, and `p_<task>`, uncalibrated."""
        return self.forests[seed].predict(rows.columns, torch.get_num_threads())


def load_trees(path: Path, seeds: Sequence[int] | None = None) -> TreeBundle:
    """Read a bundle of trees.

    Args:
        path: folder that `tasks.train.trees.run.train_trees` wrote.
        seeds: seeds to load; None: all.

    Raises:
        TrainingError: if it is no bundle of trees, or its trees or codebooks do not fit its manifest.
    """
    manifest = read_manifest(path)
    if not isinstance(manifest, ServableTrees):
        raise TrainingError(f"{path} is a bundle of {manifest.name}, which is not made of trees")
    preprocessor, state = read_preprocessor(path, manifest), path / TARGET_STATE
    columns = TreeColumns.named(preprocessor.schema, manifest.numbers, manifest.fields)
    target = TARGETS[manifest.target].restored(read_arrays(state) if state.is_file() else {})
    wanted = manifest.seeds if seeds is None else seeds
    forests = {
        seed: Forest.load(seed_folder(path, seed), columns, target, preprocessor.truncate_watch) for seed in wanted
    }
    return TreeBundle(manifest, read_calibrations(path), preprocessor, forests)
