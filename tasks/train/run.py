"""The train stage: fits every seed of a recipe, calibrates it on the validation day and writes the bundle."""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from models.compression.placed import compressed_tables
from models.compression.table import StoredTable
from models.ranker import Ranker
from models.recipe import Recipe
from tasks.core.files import hash_tree, hash_value, remove, write_json, writing
from tasks.core.manifest import code_hash
from tasks.table.training_table import LEARNED, PREPROCESSOR, TrainingTable
from tasks.train import curves, learned_numbers, overlap_summary, validation_metrics
from tasks.train.bundle import write_arrays, write_calibrators, write_weights
from tasks.train.calibrate import Calibration, ValidationRows, calibrate
from tasks.train.calibrated import calibrated_metrics
from tasks.train.checkpoint import checkpoints_of
from tasks.train.code import recipe_code
from tasks.train.config import TrainingConfig
from tasks.train.curves import write_curves
from tasks.train.device import Device
from tasks.train.diagnostics import learned
from tasks.train.divided import refuse_undivided
from tasks.train.fit import Fitted, fit_seed
from tasks.train.group import Group
from tasks.train.launch import together
from tasks.train.manifest import FILE as MANIFEST
from tasks.train.manifest import FitDays, FitRows, InputHashes, RecipeManifest
from tasks.train.overlap import overlap
from tasks.train.problem import FitProblem, open_problem
from tasks.train.result import TrainResult
from tasks.train.tables import FitOfTables, tables_folder, write_tables
from tasks.train.trees.config import TreesRecipe
from tasks.train.trees.run import train_trees
from tasks.train.validate import predict_split
from tasks.train.validation_metrics import CalibratedMetrics, FittedMetrics

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NamedRecipe:
    """What is fitted: a recipe by its name in params.yaml, and how.

    Attributes:
        name: name of the bundle.
        recipe: what to fit.
        training: how to fit it.
    """

    name: str
    recipe: Recipe | TreesRecipe
    training: TrainingConfig


def train(table: Path, named: NamedRecipe, out: Path, scratch: Path) -> TrainResult:
    """Fit one recipe and write its bundle.

    Args:
        table: folder that the table stage wrote; only its fit and validation splits are read.
        named: what to fit, and how.
        out: bundle to write; replaced as a whole.
        scratch: checkpoints are kept below it while the fit runs, so that a killed run goes on where it was.

    Raises:
        ConfigError: if the recipe cannot be fitted by as many processes as it is asked for.
        ContractError: if there is no table, or it cannot be read.
        TrainingError: if a loss is not finite, or the table lacks what the recipe needs.
        LostError: if one of several processes ends before the others.
    """
    name, recipe, config = named.name, named.recipe, named.training
    if isinstance(recipe, TreesRecipe):
        return train_trees(table, name, recipe, config, out, scratch)
    refuse_undivided(name, recipe, config.processes)
    with together(config, partial(_assist, table, name, recipe, config, scratch)) as group:
        return _train(_Fit.open(table, name, recipe, config, scratch), out, group)


def assist(table: Path, named: NamedRecipe, scratch: Path) -> str:
    """Be one of the processes that torchrun started beside rank 0, which calls `train`; return what this one did.

    Raises:
        DwellError: as `train` does.
    """
    name, recipe, config = named.name, named.recipe, named.training
    if isinstance(recipe, TreesRecipe):
        return "nothing: one process fits trees"
    refuse_undivided(name, recipe, config.processes)
    help = partial(_assist, table, name, recipe, config, scratch)
    with together(config, help) as group:
        help(group)
        return f"the part of rank {group.rank}"


def _assist(table: Path, name: str, recipe: Recipe, config: TrainingConfig, scratch: Path, group: Group) -> None:
    fit = _Fit.open(table, name, recipe, config, scratch)
    for seed in config.seeds:
        fit.of(seed, group)


@dataclass(frozen=True)
class _Fit:
    """What every process that fits a recipe opens.

    Attributes:
        name: of the recipe.
        problem: recipe and data.
        config: how to fit.
        hashes: of what the fit depends on.
        checkpoints: folder of checkpoints that belong to them.
    """

    name: str
    problem: FitProblem
    config: TrainingConfig
    hashes: Mapping[str, str]
    checkpoints: Path

    @classmethod
    def open(cls, table: Path, name: str, recipe: Recipe, config: TrainingConfig, scratch: Path) -> "_Fit":
        torch.set_num_threads(config.threads)
        opened = TrainingTable.open(table)
        hashes = input_hashes(opened, recipe, config)
        checkpoints = checkpoints_of(scratch, name, hashes)
        return cls(name, open_problem(opened, recipe), config, hashes, checkpoints)

    def of(self, seed: int, group: Group) -> Fitted:
        return fit_seed(self.problem, seed, self.config, self.checkpoints / f"seed{seed}", group)


def _train(fit: _Fit, out: Path, group: Group) -> TrainResult:
    """Fit every seed together with the group, and write the bundle."""
    name, problem, config, hashes = fit.name, fit.problem, fit.config, fit.hashes
    if problem.frozen:
        log.warning("%s: too few positives, tower frozen: %s", name, ", ".join(problem.frozen))
    rows = ValidationRows.of(problem.table)
    fits: list[Fitted] = []
    weights: dict[int, frozenset[str]] = {}
    tables: dict[int, dict[str, StoredTable]] = {}
    calibrations: dict[int, Calibration] = {}
    metrics: dict[int, FittedMetrics] = {}
    for seed in config.seeds:
        fitted = fit.of(seed, group)
        ranker = problem.fitted_ranker(fitted.weights)
        weights[seed] = frozenset(ranker.state_dict())
        tables[seed] = {table: module.stored for table, module in compressed_tables(ranker).items()}
        calibrations[seed], measured = _calibrated(problem, ranker, config, rows)
        metrics[seed] = FittedMetrics(loss=fitted.best, best_epoch=fitted.best_epoch, **measured.as_json())
        fits.append(fitted)
    serving = min(fits, key=lambda fitted: fitted.best).seed
    with writing(out) as temporary:
        temporary.mkdir(parents=True)
        shutil.copytree(problem.table.folder / PREPROCESSOR, temporary / PREPROCESSOR)
        _write_states(temporary, problem)
        _write_debiasing(temporary, problem, fits, next(fitted for fitted in fits if fitted.seed == serving))
        for fitted in fits:
            write_weights(temporary, fitted, weights[fitted.seed])
            if tables[fitted.seed]:
                _, master = _calibrated(problem, problem.master_ranker(fitted.weights), config, rows)
                moved = metrics[fitted.seed].minus(master)
                of_tables = FitOfTables(
                    recipe=name, seed=fitted.seed, hashes=InputHashes.model_validate(hashes), validation=moved
                )
                _write_tables(temporary, problem, tables[fitted.seed], of_tables)
        write_calibrators(temporary, calibrations)
        write_curves(temporary / curves.FILE, [row for fitted in fits for row in fitted.curves])
        write_json(temporary / validation_metrics.FILE, {str(seed): found.as_json() for seed, found in metrics.items()})
        manifest = _manifest(name, problem, config, hashes, fits, serving, calibrations)
        manifest.write(temporary / MANIFEST)
    remove(fit.checkpoints)
    refused = tuple(seed for seed, calibration in calibrations.items() if calibration.refused)
    return TrainResult(name, problem.fit.impressions.num_rows, serving, metrics[serving].xauc, problem.frozen, refused)


def input_hashes(table: TrainingTable, recipe: Recipe, config: TrainingConfig) -> dict[str, str]:
    """Return hashes of the data, code and configuration a fit depends on; the judge day is not among them."""
    code = [code_hash("train", "table"), recipe_code(recipe)]
    return {
        "data": hash_value(table.learned_hashes),
        "code": hash_value(code),
        "config": hash_value([recipe.model_dump(mode="json"), config.model_dump(mode="json")]),
    }


def _calibrated(
    problem: FitProblem, ranker: Ranker, config: TrainingConfig, rows: ValidationRows
) -> tuple[Calibration, CalibratedMetrics]:
    """Return a fitted ranker's calibration on the validation day, and how it does there with it."""
    device = Device.of(config)
    predictions = predict_split(ranker.to(device.name), problem.validation.impressions, config, device)
    calibration = calibrate(predictions, rows, problem.labels, config.calibration)
    return calibration, calibrated_metrics(predictions, calibration, rows)


def _write_states(folder: Path, problem: FitProblem) -> None:
    write_arrays(folder / "head_state.safetensors", problem.head_state)
    if problem.propensity is not None:
        write_arrays(folder / "propensity.safetensors", problem.propensity)


def _write_tables(folder: Path, problem: FitProblem, stored: Mapping[str, StoredTable], fit: FitOfTables) -> None:
    id_map = hash_tree(folder / PREPROCESSOR)
    written = write_tables(tables_folder(folder, fit.seed), stored, problem.schema, id_map, fit)
    for table, entry in written.tables.items():
        log.info(
            "%s seed %d: %s is stored as %s, %d bytes, %.1f %% less than in single precision; %d rows too small for a scale",
            fit.recipe, fit.seed, table, entry.kind, entry.ledger.total, 100 * entry.ledger.saved, entry.zeroed,
        )  # fmt: skip


def _write_debiasing(folder: Path, problem: FitProblem, fits: list[Fitted], serving: Fitted) -> None:
    """Write what the recipe's propensities can carry and what its objective learned, where there is something to say."""
    if problem.propensity is not None:
        found = overlap(problem.recipe, problem.propensity, problem.table)
        for doubt in found.warnings:
            log.warning("propensities: %s", doubt)
        found.write(folder / overlap_summary.FILE)
    numbers = learned(problem, fits, serving)
    if numbers is not None:
        numbers.write(folder / learned_numbers.FILE)


def _manifest(
    name: str,
    problem: FitProblem,
    config: TrainingConfig,
    hashes: Mapping[str, str],
    fits: list[Fitted],
    serving: int,
    calibrations: Mapping[int, Calibration],
) -> RecipeManifest:
    metadata = problem.table.metadata
    return RecipeManifest(
        name=name,
        recipe=problem.recipe,
        input_schema=problem.schema,
        training=config,
        days=FitDays.model_validate({split: [day.isoformat() for day in metadata.days[split]] for split in LEARNED}),
        rows=FitRows.model_validate({split: metadata.rows[split] for split in LEARNED}),
        seeds=config.seeds,
        serving_seed=serving,
        best_epoch={fitted.seed: fitted.best_epoch for fitted in fits},
        validation_loss={fitted.seed: fitted.best for fitted in fits},
        positives=dict(problem.positives),
        frozen_tasks=problem.frozen,
        calibration_refused={seed: c.refused for seed, c in calibrations.items() if c.refused},
        hashes=InputHashes.model_validate(hashes),
        tokenizer=problem.table.preprocessor.tokenizer,
        selection=metadata.selection,
    )
