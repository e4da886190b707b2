"""Propensities of a table's rows: what the models read of the population, fitted on the fit days, applied to a split."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.propensity.base import Exposures, Floats, Ints, PropensityState
from models.propensity.fit import fit_propensity as fit_model
from models.propensity.fit import propensities
from models.recipe import WATCH_TIME, Recipe
from tasks.core.errors import TrainingError
from tasks.table.columns import Array, open_column, open_columns
from tasks.table.training_table import TrainingTable
from tasks.table.unobserved import FOLDER as UNOBSERVED
from tasks.train.batches import Split

_CHUNK = 1 << 18
_EXPOSURE_ONLY = {
    "logged": "logged probabilities are those of the exposure",
    "naive_bayes": "random rows are random exposures",
}


def fit_propensity(recipe: Recipe, table: TrainingTable) -> PropensityState | None:
    """Return the state of the recipe's propensity model, fitted on all rows of the fit days; None where nothing weighs by it.

    Raises:
        TrainingError: if the fit days lack what the model learns from, or it speaks of another level of selection.
    """
    if not recipe.weighs_by_propensity:
        return None
    if recipe.selection.kind == "click" and recipe.propensity.kind in _EXPOSURE_ONLY:
        raise TrainingError(
            f"propensity.kind {recipe.propensity.kind!r} does not fit selection.kind 'click', where a propensity is that of "
            f"a click: {_EXPOSURE_ONLY[recipe.propensity.kind]}, not clicks; choose 'network'"
        )
    try:
        return fit_model(recipe.propensity, population(recipe, table.split("fit"), table))
    except ValueError as error:
        raise TrainingError(f"propensity {recipe.propensity.kind!r}: {error}") from error


def with_propensity(split: Split, recipe: Recipe, state: PropensityState, table: TrainingTable) -> Split:
    """Return the split with the column `propensity`, float32, not clipped; NaN on unobserved rows where none is known."""
    values = propensities(recipe.propensity, state, exposures(recipe, split.folder, table))
    return split.with_column("propensity", values.astype(np.float32))


def population(recipe: Recipe, folder: Path, table: TrainingTable) -> Exposures:
    """Return a split's sample of D: its impressions, then the sampled pairs that were not shown, where these belong to D.

    Args:
        recipe: its selection says what D is, its propensity what is read.
        folder: folder of the split.
        table: the table.
    """
    shown = exposures(recipe, folder, table)
    if recipe.selection.kind != "candidate":
        return shown
    return shown.joined(exposures(recipe, folder / UNOBSERVED, table))


def exposures(recipe: Recipe, folder: Path, table: TrainingTable) -> Exposures:
    """Return what propensity models read of the rows of one folder: a split's impressions or its unobserved pairs.

    Raises:
        TrainingError: if an input of the model is not a field, feature or column of the table.
    """
    source = _Rows(folder, table)
    unshown = folder.name == UNOBSERVED
    observed = np.zeros(len(source), dtype=np.bool_) if unshown else source.observed(recipe.selection.kind)
    clicks = recipe.selection.kind == "click"
    kept = 1.0 if recipe.selection.kind != "candidate" else _kept(table, (folder.parent if unshown else folder).name)
    return Exposures(
        item=source.codes("video_id"),
        user=source.column("user_id").astype(np.int64),
        observed=observed,
        logged=source.constant(np.nan) if clicks else source.column("exposure_probability").astype(np.float64),
        # at random among pairs: whether a shown video is clicked is never drawn
        random=np.zeros(len(source), dtype=np.bool_) if clicks else source.column("random").astype(np.bool_),
        kept=source.constant(kept),
        label=source.label(getattr(recipe.propensity, "label", None), observed),
        fields={name: source.codes(name) for name in getattr(recipe.propensity, "fields", ())},
        numbers={name: source.numbers(name) for name in getattr(recipe.propensity, "numbers", ())},
    )


def _kept(table: TrainingTable, split: str) -> float:
    """Return the rate at which a split's unobserved pairs were drawn: the same on every day."""
    drawn = table.metadata.populations[split]
    return drawn.sampled / drawn.unobserved if drawn.sampled else 1.0


class _Rows:
    """Columns of one folder by the names that a configuration uses."""

    def __init__(self, folder: Path, table: TrainingTable) -> None:
        self._folder, self._preprocessor, self._tasks = folder, table.preprocessor, list(table.tasks)
        self._fields = table.schema.names
        self._dense = list(table.schema.dense_names)
        self._flat = [name for name, values in open_columns(folder).items() if values.ndim == 1]
        self._size = len(open_column(folder, "ids"))

    def __len__(self) -> int:
        return self._size

    def column(self, name: str) -> Array:
        return open_column(self._folder, name)

    def constant(self, value: float) -> Floats:
        """Return one value for every row; it takes the memory of one."""
        return np.broadcast_to(np.float64(value), (self._size,))

    def observed(self, selection: str) -> NDArray[np.bool_]:
        if selection != "click":
            return np.ones(self._size, dtype=np.bool_)
        clicked: NDArray[np.bool_] = self.column("labels")[:, self._tasks.index("click")] > 0
        return clicked

    def label(self, name: str | None, observed: NDArray[np.bool_]) -> Floats:
        """Return the feedback of observed rows, NaN elsewhere and where none is read."""
        if name is None or not observed.any():
            return self.constant(np.nan)
        if name != WATCH_TIME and name not in self._tasks:
            raise TrainingError(f"propensity.label is {name!r}; the table has {', '.join([WATCH_TIME, *self._tasks])}")
        values = self.column("watch_s") if name == WATCH_TIME else self.column("labels")[:, self._tasks.index(name)]
        return np.where(observed, values.astype(np.float64), np.nan)

    def codes(self, name: str) -> Ints:
        """Return a field's codes within its vocabulary, or a column's whole numbers; -1 is missing."""
        if name in self._fields:
            return np.concatenate([self._preprocessor.local_codes(ids, name) for ids in self._chunks("ids")])
        if name not in self._flat:
            raise self._unknown("fields", name, [*self._fields, *self._flat])
        return np.nan_to_num(self.column(name).astype(np.float64), nan=-1.0).astype(np.int64)

    def numbers(self, name: str) -> Floats:
        """Return a dense feature as the model sees it, or a column."""
        if name in self._dense:
            return self.column("dense")[:, self._dense.index(name)].astype(np.float64)
        if name not in self._flat:
            raise self._unknown("numbers", name, [*self._dense, *self._flat])
        return self.column(name).astype(np.float64)

    def _chunks(self, name: str) -> Iterator[Array]:
        """Yield parts of a column, each from maps of its own, so that pages are given back; at least one part."""
        for begin in range(0, max(self._size, 1), _CHUNK):
            yield self.column(name)[begin : begin + _CHUNK]

    def _unknown(self, key: str, name: str, known: Sequence[str]) -> TrainingError:
        listed = ", ".join(sorted(set(known)))
        return TrainingError(f"propensity.{key} names {name!r}, which the table lacks; it has {listed}")
