"""What every seed of a recipe shares: the rows it learns from, the label state, propensities, frozen tasks."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.backbones import BACKBONES
from models.compression import COMPRESSIONS
from models.compression.base import RowUse
from models.compression.placed import compress
from models.encoders.grouped import grouped_tables
from models.heads.base import LabelState, TrainLabels
from models.propensity.base import PropensityState
from models.ranker import Ranker
from models.recipe import Recipe
from models.schema import InputSchema
from tasks.core.errors import ConfigError, TrainingError
from tasks.table.training_table import LEARNED, TrainingTable
from tasks.train.labels import watch_labels
from tasks.train.lists import open_lists
from tasks.train.population import Population, open_population
from tasks.train.pretraining import WatchedRows
from tasks.train.propensity import fit_propensity, with_propensity
from tasks.train.row_use import reads_per_day, row_use
from tasks.train.unweighed import message as why_unweighed
from tasks.train.unweighed import unweighed

_CHUNK = 1 << 18


@dataclass(frozen=True)
class FitProblem:
    """One recipe on one table.

    Attributes:
        recipe: the recipe; what the table encodes as exposure-only is set apart in it.
        table: the table.
        head_state: label state of the heads and adversaries, fitted on the fit split: on all its rows, whatever steps read.
        labels: watch time and duration of the fit split.
        positives: binary task of the recipe -> rows with label 1 among those that steps read.
        frozen: tasks with fewer positives than their floor.
        propensity: state of the propensity model, None where nothing weighs by it.
        fit: rows of the fit days that steps read.
        validation: rows of the validation day.
        use: how often the fit days read every embedding row, None where the compression does not ask.
        watched: what vectors are learned from before the fit, None where the recipe does not ask.
        reads: how often a fit day reads every embedding row, None where no table of the recipe is grouped by it.
    """

    recipe: Recipe
    table: TrainingTable
    head_state: LabelState
    labels: TrainLabels
    positives: Mapping[str, int]
    frozen: tuple[str, ...]
    propensity: PropensityState | None
    fit: Population
    validation: Population
    use: RowUse | None = None
    watched: WatchedRows | None = None
    reads: NDArray[np.float64] | None = None

    @property
    def schema(self) -> InputSchema:
        """Shape of the input."""
        return self.table.schema

    def ranker(self) -> Ranker:
        """Return a new ranker; the caller seeds torch before.

        Raises:
            TrainingError: if the parts of the recipe do not go together or with the table.
        """
        try:
            ranker = Ranker(self.recipe, self.schema, self.head_state, self.frozen)
        except ValueError as error:
            raise TrainingError(f"the recipe cannot be built: {error}") from error
        for table in grouped_tables(ranker).values():
            assert self.reads is not None
            table.divide(self.reads)
        return ranker

    def master_ranker(self, weights: Mapping[str, Tensor]) -> Ranker:
        """Return a new ranker with the weights of a finished fit, on the CPU, as they were fitted.

        Raises:
            TrainingError: as `ranker` does.
        """
        ranker = self.ranker()
        ranker.load_state_dict(dict(weights))
        return ranker

    def fitted_ranker(self, weights: Mapping[str, Tensor]) -> Ranker:
        """Return a new ranker with the weights of a finished fit, on the CPU, its tables compressed as the recipe asks: what
        predicts from here on.

        Raises:
            TrainingError: as `ranker` does, or if a table cannot be compressed.
        """
        ranker, config = self.master_ranker(weights), self.recipe.compression
        try:
            compress(ranker, COMPRESSIONS[config.kind](config), self.use)
        except ValueError as error:
            raise TrainingError(
                f"the fitted tables cannot be compressed by {config.kind!r}: {error}. Lower training.learning_rate, or leave "
                "out compression"
            ) from error
        return ranker


def reads_history(recipe: Recipe) -> bool:
    """Tell whether an encoder or the backbone of a recipe looks at past events."""
    encoders = (recipe.encoder, recipe.second_encoder)
    reads_events = BACKBONES[recipe.backbone.kind].reads_events
    return reads_events or any(getattr(encoder, "reads_history", False) for encoder in encoders)


def open_problem(table: TrainingTable, recipe: Recipe) -> FitProblem:
    """Fit label state and propensities on all rows of the fit days and open the rows of both splits that steps read.

    Raises:
        ConfigError: if the table selected rows, and a part of the recipe knows no weights.
        TrainingError: if the table lacks a label, a field, the history or the unobserved pairs that the recipe learns from.
    """
    _require_labels(recipe, table)
    if table.metadata.selection is not None and (parts := unweighed(recipe)):
        raise ConfigError(why_unweighed("this recipe", parts))
    _refuse_unasked_traits(recipe, table)
    recipe = _with_fields_apart(recipe, table.schema, table.metadata.config.exposure_only)
    with_history = reads_history(recipe)
    if with_history and not table.schema.history_fields:
        raise TrainingError(
            f"the recipe reads a history, but {table.folder} encodes none of its fields: see table.categorical"
        )
    fit, validation = (open_population(table, split, recipe, with_history) for split in LEARNED)
    labels = watch_labels(table, "fit")
    positives = _positives(table)
    if recipe.selection.kind == "click" and not positives["click"]:
        raise TrainingError(
            f"the recipe has selection.kind 'click', but no fit row of {table.folder} was clicked: does the source log clicks?"
        )
    propensity = fit_propensity(recipe, table)
    if propensity is not None:
        fit, validation = (
            rows.mapped(lambda split: with_propensity(split, recipe, propensity, table)) for rows in (fit, validation)
        )
    if recipe.ranking.grouped:
        by_scene = recipe.ranking.lists == "user_day_scene"
        lists = open_lists(fit.impressions.folder, table.preprocessor.timezone, by_scene=by_scene)
        fit = replace(fit, impressions=fit.impressions.keeping(lists))
    return FitProblem(
        recipe=recipe,
        table=table,
        head_state=recipe.fit_head_state(replace(labels, levels=_levels(table, recipe))),
        labels=labels,
        positives={task: positives[task] for task in recipe.label_names},
        frozen=recipe.frozen_tasks(positives),
        propensity=propensity,
        fit=fit,
        validation=validation,
        use=row_use(table) if COMPRESSIONS[recipe.compression.kind].reads_use else None,
        watched=WatchedRows.of(table, recipe),
        reads=reads_per_day(table) if recipe.groups_rows else None,
    )


def _require_labels(recipe: Recipe, table: TrainingTable) -> None:
    unknown = [task for task in recipe.label_names if task not in table.tasks]
    if unknown:
        raise TrainingError(
            f"the recipe learns {', '.join(unknown)}, but {table.folder} has labels for {', '.join(table.tasks)} only"
        )


def _refuse_unasked_traits(recipe: Recipe, table: TrainingTable) -> None:
    """Check that the traits a recipe asks for are encoded, and that no part of it names another.

    Raises:
        TrainingError: if not.
    """
    encoded = table.metadata.config.traits
    if absent := [name for name in recipe.traits if name not in encoded]:
        raise TrainingError(
            f"the recipe asks for the trait {absent[0]!r}, which the table does not encode ({', '.join(encoded) or 'it encodes none'}): "
            "name it under table.traits"
        )
    unread, parts = recipe.unread(table.schema), (recipe.backbone, recipe.trunk, recipe.objective, recipe.propensity)
    named = [*recipe.set_apart, *recipe.head_fields]
    named += [name for part in parts for key in ("fields", "numbers") for name in getattr(part, key, ())]
    if hidden := [name for name in named if name in unread]:
        raise TrainingError(
            f"a part of the recipe reads {hidden[0]!r}, a sensitive attribute that the recipe does not ask for: name it under the "
            "recipe's traits, or take it out"
        )


def _with_fields_apart(recipe: Recipe, schema: InputSchema, exposure_only: Sequence[str]) -> Recipe:
    """Return the recipe with the table's exposure-only fields set apart too.

    Raises:
        TrainingError: if the recipe sets a field or a dense feature apart that the table does not encode.
    """
    known = [*(name for name, _ in schema.fields), *schema.dense_names]
    for name in recipe.set_apart:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            offer = " ('position' is encoded where table.exposure_only names it)" if name == "position" else ""
            raise TrainingError(
                f"the recipe sets apart {name!r}, which is no field of the table{hint} (valid: {', '.join(known)}){offer}"
            )
    return recipe.model_copy(update={"set_apart": tuple(dict.fromkeys([*recipe.set_apart, *exposure_only]))})


def _levels(table: TrainingTable, recipe: Recipe) -> dict[str, NDArray[np.int64]]:
    """Return the levels of the fields that the recipe's heads read; a field that is not encoded is left to the ranker."""
    schema = table.schema
    names = schema.names
    columns = {field: names.index(field) for field in recipe.head_fields if field in names}
    ids = table.column("fit", "ids")
    return {field: ids[:, column].astype(np.int64) - schema.offsets[column] for field, column in columns.items()}


def _positives(table: TrainingTable) -> dict[str, int]:
    """Count positives among the rows that steps read: whether they are enough is no estimate of the fit days."""
    total, rows = np.zeros(len(table.tasks), dtype=np.int64), len(table.column(table.stepped, "labels"))
    for begin in range(0, rows, _CHUNK):
        total += table.column(table.stepped, "labels")[begin : begin + _CHUNK].sum(axis=0, dtype=np.int64)
    return dict(zip(table.tasks, total.tolist(), strict=True))
