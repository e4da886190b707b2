"""One fitted network as a model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from models.batch import Batch
from models.compression.placed import place
from models.heads.base import LONGEST
from models.ranker import Ranker
from models.recipe import Recipe
from tasks.core.errors import TrainingError
from tasks.core.files import hash_tree
from tasks.predict.fitted import FittedModel, read_calibrations, read_preprocessor
from tasks.predict.manifest import ServableEnsemble, read_manifest
from tasks.predict.model import Predictions
from tasks.table.training_table import PREPROCESSOR
from tasks.train.batches import EncodedRows
from tasks.train.bundle import read_arrays, weights_file
from tasks.train.manifest import ServableRecipe
from tasks.train.problem import reads_history
from tasks.train.tables import read_tables, tables_folder
from tasks.train.trees.manifest import ServableTrees
from tasks.train.validate import as_arrays

BATCH_ROWS = 1_024
"""Rows of one forward pass: what it computes then stays in the processor's cache."""


@dataclass(frozen=True)
class Bundle(FittedModel):
    """A fitted network, ready to predict on the CPU.

    Attributes:
        rankers: seed -> module in evaluation mode.
    """

    manifest: ServableRecipe
    rankers: dict[int, Ranker]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds whose weights were loaded."""
        return tuple(self.rankers)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Binary tasks the bundle predicts; frozen ones are absent."""
        ranker = next(iter(self.rankers.values()))
        return tuple(task for task in ranker.recipe.label_names if task in ranker.trained_tasks)

    def sign(self, task: str) -> int:
        """Return 1 if a task raises a fused score, -1 if it lowers it."""
        return self.recipe.sign(task)  # type: ignore[arg-type]

    @property
    def recipe(self) -> Recipe:
        """What was fitted, with the fields that the table sets apart."""
        return next(iter(self.rankers.values())).recipe

    @property
    def reads_history(self) -> bool:
        """Whether the recipe looks at past events."""
        return reads_history(self.recipe)

    def predict_raw(self, rows: EncodedRows, seed: int) -> Predictions:
        """Return scores, the native `mean` and `median` where a head has them, and `p_<task>`, uncalibrated."""
        parts = [as_arrays(self.rankers[seed].predict(batch)) for batch in _batches(rows)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def embed(self, rows: EncodedRows) -> NDArray[np.float32]:
        """Return what the watch-time tower of the serving seed reads of every row, [rows, width]."""
        ranker = self.rankers[self.serving_seed]
        with torch.no_grad():
            parts = [ranker.represent(batch).numpy() for batch in _batches(rows)]
        return np.concatenate(parts)


def _batches(rows: EncodedRows) -> Iterator[Batch]:
    for begin in range(0, max(len(rows), 1), BATCH_ROWS):
        yield rows.batch(begin, min(begin + BATCH_ROWS, len(rows)), shared=True)


def load_bundle(path: Path, seeds: Sequence[int] | None = None) -> Bundle:
    """Read the bundle of one network.

    Args:
        path: folder that `tasks.train.run.train` wrote.
        seeds: seeds to load; None: all.

    Raises:
        TrainingError: if it is no bundle of a network, its weights do not fit its recipe or its codebooks its manifest, or it was fitted by code that
            guessed from the labels whether they end at the duration: what it guessed cannot be told from its files.
    """
    manifest = read_manifest(path)
    if isinstance(manifest, ServableEnsemble):
        raise TrainingError(f"{path} is an ensemble of {', '.join(manifest.member_names)}, not one recipe")
    if isinstance(manifest, ServableTrees):
        raise TrainingError(f"{path} is a bundle of trees, {manifest.name}, and no network")
    head_state, preprocessor = read_arrays(path / "head_state.safetensors"), read_preprocessor(path, manifest)
    if preprocessor.truncate_watch == (LONGEST in head_state):
        raise TrainingError(
            f"{path}: its table has truncate_watch {preprocessor.truncate_watch}, and its heads were fitted as if not, by "
            "code that guessed it from the labels: train the recipe again"
        )
    rankers = {}
    for seed in manifest.seeds if seeds is None else seeds:
        ranker = Ranker(manifest.recipe, manifest.input_schema, head_state, manifest.frozen_tasks)
        try:
            if manifest.recipe.stores_tables:
                place(ranker, read_tables(tables_folder(path, seed), hash_tree(path / PREPROCESSOR)))
            ranker.load_state_dict(load_file(weights_file(path, seed)))
        except TrainingError:
            raise
        except (FileNotFoundError, RuntimeError, ValueError) as error:
            raise TrainingError(
                f"{path}: the weights of seed {seed} are missing or do not fit the recipe: {error}"
            ) from error
        rankers[seed] = ranker.eval()
    return Bundle(manifest, read_calibrations(path), preprocessor, rankers)
