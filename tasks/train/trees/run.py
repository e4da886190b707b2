"""The train stage of a recipe of trees: choose what the score learns, fit every seed, calibrate, write the bundle.

manifest.json               recipe, chosen target, columns, seeds, hashes, counts
preprocessor/               vocabularies and normalisation: how rows become the columns of the trees
target.safetensors          what reads the score back, where the target needs it
trees/seed<S>/<what>-<k>.txt  LightGBM's text of fit k of `score`, `mean` or `p_<task>`
calibrators.json            correction, if any, mean and median calibrator per seed
curves.csv                  loss and XAUC of the first fit of every seed, by number of trees
validation.json             metrics on the validation day per seed
"""

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.heads.base import TrainLabels
from tasks.core.errors import TrainingError
from tasks.core.files import hash_value, write_json, writing
from tasks.core.manifest import code_hash
from tasks.core.predictions import probability
from tasks.evaluate.metrics.pairwise import xauc
from tasks.table.columns import Array
from tasks.table.training_table import LEARNED, PREPROCESSOR, TrainingTable
from tasks.train import curves, validation_metrics
from tasks.train.bundle import write_arrays, write_calibrators
from tasks.train.calibrate import Calibration, ValidationRows, calibrate
from tasks.train.calibrated import calibrated_metrics
from tasks.train.checkpoint import checkpoints_of
from tasks.train.code import recipe_code
from tasks.train.config import TrainingConfig
from tasks.train.labels import watch_labels
from tasks.train.manifest import FILE as MANIFEST
from tasks.train.manifest import FitDays, FitRows, InputHashes
from tasks.train.result import TrainResult
from tasks.train.trees.boosting import Boosted, TreeTrainer
from tasks.train.trees.columns import TreeColumns
from tasks.train.trees.config import TargetName, TreesRecipe
from tasks.train.trees.finished import FinishedFits
from tasks.train.trees.forest import Forest, seed_folder
from tasks.train.trees.manifest import TreesManifest, TreesSettings
from tasks.train.trees.rows import MATRIX_COLUMNS, TreeRows
from tasks.train.trees.targets import TARGETS, Target
from tasks.train.validation_metrics import CalibratedMetrics

log = logging.getLogger(__name__)
Floats = NDArray[np.float64]
TARGET_STATE = "target.safetensors"
CURVE_STEP = 10
"""Trees between two lines of `curves.csv`."""


def train_trees(
    table: Path, name: str, recipe: TreesRecipe, config: TrainingConfig, out: Path, scratch: Path | None = None
) -> TrainResult:
    """Fit one recipe of trees and write its bundle.

    Args:
        table: folder that the table stage wrote; only its fit and validation splits are read, and the selected rows.
        name: the bundle's.
        recipe: what to fit.
        config: seeds, calibration and threads; the rest is for networks.
        out: bundle to write; replaced as a whole.
        scratch: every booster is kept below it while the recipe is fitted, so that a killed run goes on with those it had
            not finished; None: it begins anew.

    Raises:
        ContractError: if there is no table, or it cannot be read.
        TrainingError: if the table encodes no column that trees read, or lacks a label.
    """
    problem = TreeProblem.open(table, name, recipe, config, scratch)
    score, chosen_by = problem.chosen()
    forests = {seed: problem.forest(score, seed) for seed in config.seeds}
    rows = ValidationRows.of(problem.table)
    calibrations: dict[int, Calibration] = {}
    metrics: dict[int, CalibratedMetrics] = {}
    for seed, forest in forests.items():
        predictions = forest.predict(problem.validation, config.threads)
        calibrations[seed] = calibrate(predictions, rows, problem.pool, config.calibration)
        metrics[seed] = calibrated_metrics(predictions, calibrations[seed], rows)
    serving = max(config.seeds, key=lambda seed: metrics[seed].xauc)
    with writing(out) as folder:
        folder.mkdir(parents=True)
        shutil.copytree(table / PREPROCESSOR, folder / PREPROCESSOR)
        if state := forests[serving].target.state():
            write_arrays(folder / TARGET_STATE, state)
        for seed, forest in forests.items():
            forest.save(seed_folder(folder, seed))
        write_calibrators(folder, calibrations)
        curves.write_curves(folder / curves.FILE, [row for seed in forests for row in problem.curve(score, seed)])
        write_json(folder / validation_metrics.FILE, {str(seed): found.as_json() for seed, found in metrics.items()})
        _manifest(problem, score, chosen_by, forests, serving, calibrations).write(folder / MANIFEST)
    problem.finished.clear()
    refused = tuple(seed for seed, calibration in calibrations.items() if calibration.refused)
    num_rows = len(problem.table.column(problem.table.stepped, "ids"))
    return TrainResult(name, num_rows, serving, metrics[serving].xauc, problem.frozen, refused)


@dataclass(frozen=True, eq=False)
class TreeProblem:
    """A recipe of trees on an opened table.

    Attributes:
        hashes: of what fits depend on.
        positives: task -> positive rows of the fit days.
        validation: encoded rows of the validation day.
        labels: split -> labels of the rows that are fitted or stopped on.
        pool: labels that targets and calibrators learn their cuts from: those of `labels`, or of all fit rows where some were selected.
        tasks: split -> task -> its 0/1 labels.
        finished: what is fitted.
    """

    name: str
    hashes: InputHashes
    table: TrainingTable
    recipe: TreesRecipe
    config: TrainingConfig
    columns: TreeColumns
    trainer: TreeTrainer
    positives: Mapping[str, int]
    validation: Mapping[str, Array]
    labels: Mapping[str, TrainLabels]
    pool: TrainLabels
    tasks: Mapping[str, Mapping[str, Floats]]
    finished: FinishedFits

    @classmethod
    def open(
        cls, folder: Path, name: str, recipe: TreesRecipe, config: TrainingConfig, scratch: Path | None
    ) -> "TreeProblem":
        """Read the rows, at most `max_fit_rows` of the fit days, and bin them."""
        table = TrainingTable.open(folder)
        if unknown := [task for task in recipe.tasks if task not in table.tasks]:
            raise TrainingError(
                f"the recipe learns {', '.join(unknown)}, but {folder} has labels for {', '.join(table.tasks)} only"
            )
        columns = TreeColumns.of(table.schema, recipe.max_categories, table.metadata.config.exposure_only)
        source, weight_B = {"fit": table.stepped, "validation": "validation"}, table.pool_weights()
        num_rows = table.metadata.rows["fit"] if weight_B is None else len(weight_B)
        kept = {"fit": _evenly(num_rows, recipe.max_fit_rows), "validation": slice(None)}
        rows = {split: TreeRows(table.split(source[split]), columns, kept[split]) for split in LEARNED}
        validation = {name: np.asarray(table.column("validation", name)) for name in (*MATRIX_COLUMNS, "duration_s")}
        labels: dict[str, TrainLabels] = {}
        tasks: dict[str, dict[str, Floats]] = {}
        for split in LEARNED:
            every = watch_labels(table, source[split])
            labels[split] = TrainLabels(
                every.watch_s[kept[split]], every.duration_s[kept[split]], truncated=every.truncated
            )
            label_BT = table.column(source[split], "labels")[kept[split]]
            tasks[split] = {task: label_BT[:, table.tasks.index(task)].astype(np.float64) for task in recipe.tasks}
        weights = None if weight_B is None else weight_B[kept["fit"]]
        trainer = TreeTrainer(rows["fit"], rows["validation"], columns.categorical, recipe, config.threads, weights)
        pool = labels["fit"] if weights is None else watch_labels(table, "fit")
        positives: dict[str, int] = {task: int(tasks["fit"][task].sum()) for task in recipe.tasks}
        hashes = _hashes(table, recipe, config)
        finished = FinishedFits(None if scratch is None else checkpoints_of(scratch, name, hashes.model_dump()))
        return cls(
            name, hashes, table, recipe, config, columns, trainer, positives, validation, labels, pool, tasks, finished
        )

    @property
    def frozen(self) -> tuple[str, ...]:
        """Tasks with too few positives, or nothing else."""
        rows = len(self.labels["fit"].watch_s)
        floor = max(self.recipe.positive_floor, 1)
        return tuple(task for task, positive in self.positives.items() if not floor <= positive < rows)

    def chosen(self) -> tuple[tuple[TargetName, Target], dict[TargetName, float]]:
        """Return the candidate whose first fit orders the validation day best, and the XAUC of each."""
        fitted = {name: TARGETS[name].fit(self.pool, self.recipe) for name in self.recipe.candidates}
        watch_s, seed = self.labels["validation"].watch_s, self.config.seeds[0]
        found = {
            name: xauc(watch_s, self._predicted(target, self.score((name, target), seed, 0))).value
            for name, target in fitted.items()
        }
        best = max(found, key=lambda name: found[name])
        return (best, fitted[best]), found

    def forest(self, score: tuple[TargetName, Target], seed: int) -> Forest:
        """Fit everything of one seed."""
        boosters = {"score": tuple(self.score(score, seed, number).booster for number in range(self.recipe.fits))}
        further = {"mean": ("regression", {split: self.labels[split].watch_s for split in LEARNED})}
        further = further if self.recipe.predict_mean else {}
        for task in self.recipe.tasks:
            if task not in self.frozen:
                further[probability(task)] = ("binary", {split: self.tasks[split][task] for split in LEARNED})
        for name, (loss, of) in further.items():
            boosters[name] = (self._fitted(name, loss, of.__getitem__, seed, 0).booster,)
        return Forest(self.columns, score[1], boosters, self.labels["fit"].truncated)

    def score(self, score: tuple[TargetName, Target], seed: int, number: int) -> Boosted:
        """Return one fit of the score, made once."""
        name, target = score

        def encoded(split: str) -> Floats:
            return target.encode(self.labels[split].watch_s, self.labels[split].duration_s)

        return self._fitted(f"score_{name}", target.loss, encoded, seed, number)

    def _fitted(self, what: str, loss: str, of: Callable[[str], Floats], seed: int, number: int) -> Boosted:
        """Return one fit of a seed, made once.

        Args:
            what: it predicts.
            loss: LightGBM's name of it.
            of: split -> what it learns, one value a row.
            seed: of the recipe.
            number: of the fit among those that are averaged.
        """
        key = f"{what}-seed{seed}-{number}"
        if (found := self.finished.get(key)) is not None:
            return found
        return self.finished.put(key, self.trainer.train(loss, of("fit"), of("validation"), _seed(seed, number)))

    def curve(self, score: tuple[TargetName, Target], seed: int) -> list[dict[str, Any]]:
        """Return how the first fit of a seed's score went, every few trees up to those kept."""
        fit = self.score(score, seed, 0)
        kept = len(fit.losses["fit"])
        steps = [*range(CURVE_STEP, kept, CURVE_STEP), kept]
        return [
            {
                "seed": seed,
                "epoch": trees,
                "best": trees == kept,
                "train_watch_time": fit.losses["fit"][trees - 1],
                "validation_watch_time": fit.losses["validation"][trees - 1],
                "validation_xauc": xauc(self.labels["validation"].watch_s, self._predicted(score[1], fit, trees)).value,
            }
            for trees in steps
        ]

    def _predicted(self, target: Target, fit: Boosted, trees: int | None = None) -> Floats:
        raw = fit.booster.predict(self._matrix, num_iteration=trees, num_threads=self.config.threads)
        return target.decode(np.asarray(raw, np.float64), self.labels["validation"].duration_s)

    @cached_property
    def _matrix(self) -> NDArray[np.float32]:
        return self.columns.matrix(self.validation)


def _seed(seed: int, number: int) -> int:
    """Return the seed of one fit: those of two seeds never meet."""
    return 1000 * seed + number


def _evenly(rows: int, limit: int) -> Any:
    """Return a slice of all rows, or the places of `limit` of them."""
    return slice(None) if rows <= limit else np.linspace(0, rows - 1, limit).astype(np.int64)


def _hashes(table: TrainingTable, recipe: TreesRecipe, config: TrainingConfig) -> InputHashes:
    return InputHashes(
        data=hash_value(table.learned_hashes),
        code=hash_value([code_hash("train", "table"), recipe_code(recipe)]),
        config=hash_value([recipe.model_dump(mode="json"), _settings(config).as_json()]),
    )


def _settings(config: TrainingConfig) -> TreesSettings:
    return TreesSettings(seeds=config.seeds, calibration=config.calibration, threads=config.threads)


def _manifest(
    problem: TreeProblem,
    score: tuple[TargetName, Target],
    chosen_by: Mapping[TargetName, float],
    forests: Mapping[int, Forest],
    serving: int,
    calibrations: Mapping[int, Calibration],
) -> TreesManifest:
    metadata, config, recipe = problem.table.metadata, problem.config, problem.recipe
    return TreesManifest(
        name=problem.name,
        recipe=recipe,
        training=_settings(config),
        target=score[0],
        chosen_by=dict(chosen_by),
        numbers=problem.columns.numbers,
        fields=problem.columns.fields,
        num_trees={
            seed: {what: tuple(fit.num_trees() for fit in fits) for what, fits in forest.boosters.items()}
            for seed, forest in forests.items()
        },
        days=FitDays.model_validate({split: [day.isoformat() for day in metadata.days[split]] for split in LEARNED}),
        rows=FitRows.model_validate({split: metadata.rows[split] for split in LEARNED}),
        seeds=config.seeds,
        serving_seed=serving,
        positives=dict(problem.positives),
        frozen_tasks=problem.frozen,
        calibration_refused={seed: found.refused for seed, found in calibrations.items() if found.refused},
        most_important=forests[serving].important(),
        hashes=problem.hashes,
        tokenizer=problem.table.preprocessor.tokenizer,
        selection=metadata.selection,
    )
