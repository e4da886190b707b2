"""What every seed of a recipe shares: the two splits, the label state, propensities, frozen tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.heads import HEADS
from models.heads.base import LabelState, TrainLabels
from models.objectives import OBJECTIVES
from models.propensity import PROPENSITIES
from models.propensity.base import Exposures, PropensityState
from models.ranker import Ranker
from models.recipe import Recipe
from models.schema import InputSchema
from tasks.errors import TrainingError
from tasks.files import read_json
from tasks.table.columns import open_columns
from tasks.table.preprocessor import Preprocessor
from tasks.train.batches import Split

_COLUMNS = ("ids", "dense", "duration_s", "watch_s", "labels", "random")
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Problem:
    """One recipe on one table.

    Attributes:
        recipe: the recipe.
        schema: shape of the input.
        head_state: label state of the head, fitted on the fit split.
        labels: watch time and duration of the fit split.
        positives: binary task of the recipe -> rows of the fit split with label 1.
        frozen: tasks with fewer positives than their floor.
        propensity: state of the propensity model, None where the objective does not weigh by it.
        fit: fit split.
        validation: validation split.
    """

    recipe: Recipe
    schema: InputSchema
    head_state: LabelState
    labels: TrainLabels
    positives: Mapping[str, int]
    frozen: tuple[str, ...]
    propensity: PropensityState | None
    fit: Split
    validation: Split

    def ranker(self) -> Ranker:
        """Return a new ranker; the caller seeds torch before."""
        return Ranker(self.recipe, self.schema, self.head_state, self.frozen)


def reads_history(recipe: Recipe) -> bool:
    """Tell whether a recipe's encoder looks at past events."""
    history = getattr(recipe.encoder, "history", None)
    return history is not None and history.kind != "none"


def open_problem(table: Path, recipe: Recipe) -> Problem:
    """Fit label state and propensities on the fit split and open both splits.

    Raises:
        TrainingError: if the table lacks a label or the history that the recipe learns from.
    """
    about: dict[str, Any] = read_json(table / "table.json")
    tasks = tuple(about["tasks"])
    unknown = [task for task in recipe.label_names if task not in tasks]
    if unknown:
        raise TrainingError(
            f"the recipe learns {', '.join(unknown)}, but {table} has labels for {', '.join(tasks)} only"
        )
    schema = InputSchema.model_validate(about["schema"])
    if reads_history(recipe) and not schema.history_fields:
        raise TrainingError(
            f"the recipe reads a history, but {table} encodes none of its fields: see table.categorical"
        )
    fit, validation = (Split(table / name, tasks, _COLUMNS, reads_history(recipe)) for name in ("fit", "validation"))
    labels = _train_labels(fit)
    positives = _positives(fit)
    propensity = _fit_propensity(recipe, fit, table)
    if propensity is not None:
        fit, validation = (_with_propensity(split, recipe, propensity, table) for split in (fit, validation))
    return Problem(
        recipe=recipe,
        schema=schema,
        head_state=HEADS[recipe.head.kind].fit_state(recipe.head, labels),
        labels=labels,
        positives={task: positives[task] for task in recipe.label_names},
        frozen=recipe.frozen_tasks(positives),
        propensity=propensity,
        fit=fit,
        validation=validation,
    )


def _train_labels(split: Split) -> TrainLabels:
    columns = open_columns(split.folder)
    return TrainLabels(columns["watch_s"].astype(np.float64), columns["duration_s"].astype(np.float64))


def _positives(split: Split) -> dict[str, int]:
    total = np.zeros(len(split.tasks), dtype=np.int64)
    for begin in range(0, split.num_rows, _CHUNK):
        total += open_columns(split.folder)["labels"][begin : begin + _CHUNK].sum(axis=0, dtype=np.int64)
    return dict(zip(split.tasks, total.tolist(), strict=True))


def _fit_propensity(recipe: Recipe, fit: Split, table: Path) -> PropensityState | None:
    if not OBJECTIVES[recipe.objective.kind].weighs_by_propensity:
        return None
    return PROPENSITIES[recipe.propensity.kind].fit_state(recipe.propensity, exposures(fit, table))


def _with_propensity(split: Split, recipe: Recipe, state: PropensityState, table: Path) -> Split:
    model = PROPENSITIES[recipe.propensity.kind](recipe.propensity, state)
    return split.with_column("propensity", model.apply(exposures(split, table)).astype(np.float32))


def exposures(split: Split, table: Path) -> Exposures:
    """Return what propensity models read of a split."""
    preprocessor = Preprocessor.load(table / "preprocessor")
    item = np.empty(split.num_rows, dtype=np.int64)
    for begin in range(0, split.num_rows, _CHUNK):
        ids = open_columns(split.folder)["ids"][begin : begin + _CHUNK]
        item[begin : begin + len(ids)] = preprocessor.local_codes(ids, "video_id")
    columns = open_columns(split.folder)
    random: NDArray[np.bool_] = np.array(columns["random"])
    return Exposures(item, columns["exposure_probability"].astype(np.float64), random)
