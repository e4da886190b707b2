"""The ensemble stage: calibrate fitted recipes together on the validation day, and write them as one bundle.

Nothing is fitted but what a fixed day can tell: the distribution of each member's score and the calibrators. Members
count alike; weights of their own would need a day of their own.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tasks.core.errors import TrainingError
from tasks.core.files import hash_tree, hash_value, write_json, writing
from tasks.core.manifest import code_hash
from tasks.ensemble.manifest import EnsembleManifest, EnsembleSettings
from tasks.predict.ensemble import MEMBERS, combined
from tasks.predict.fitted import FittedModel
from tasks.predict.load_fitted import load_fitted
from tasks.predict.manifest import Member
from tasks.predict.model import Predictions
from tasks.table.training_table import TrainingTable
from tasks.train.batches import Split
from tasks.train.bundle import write_calibrators
from tasks.train.calibrate import Calibration, ValidationRows, calibrate
from tasks.train.calibrated import calibrated_metrics
from tasks.train.code import recipe_code
from tasks.train.config import TrainingConfig
from tasks.train.labels import watch_labels
from tasks.train.manifest import FILE as MANIFEST
from tasks.train.manifest import InputHashes
from tasks.train.validation_metrics import FILE as VALIDATION
from tasks.train.validation_metrics import CalibratedMetrics


@dataclass(frozen=True)
class EnsembleResult:
    """What the stage did.

    Attributes:
        name: the ensemble's name.
        members: recipes averaged.
        serving_seed: seed with the best XAUC on the validation day.
        xauc: its XAUC there.
        refused: seeds whose mean calibrator broke a guard.
    """

    name: str
    members: tuple[str, ...]
    serving_seed: int
    xauc: float
    refused: tuple[int, ...]


def build_ensemble(
    table: Path, name: str, members: Mapping[str, Path], config: TrainingConfig, out: Path
) -> EnsembleResult:
    """Calibrate recipes of one night together, seed by seed, and write the bundle.

    Seed s of the ensemble is seed s of every member.

    Args:
        table: folder that the table stage wrote; only durations of the fit days and the validation day are read.
        name: name of the ensemble.
        members: recipe -> its bundle, in the order of the configuration.
        config: settings of the fits, of which calibration and threads count here.
        out: bundle to write; replaced as a whole.

    Raises:
        ContractError: if there is no table, or it cannot be read.
        TrainingError: if a member cannot be read, was fitted on another table, or shares no seed with the others.
    """
    torch.set_num_threads(config.threads)
    opened = TrainingTable.open(table)
    bundles = {member: load_fitted(path) for member, path in members.items()}
    seeds = _common(bundles, opened)
    rows, labels = ValidationRows.of(opened), watch_labels(opened, "fit")
    calibrations: dict[int, Calibration] = {}
    metrics: dict[int, CalibratedMetrics] = {}
    for seed in seeds:
        predictions = _predict(bundles, opened.split("validation"), seed, config.evaluation_rows)
        calibrations[seed] = calibrate(predictions, rows, labels, config.calibration)
        metrics[seed] = calibrated_metrics(predictions, calibrations[seed], rows)
    serving = max(seeds, key=lambda seed: metrics[seed].xauc)
    refused = {seed: found.refused for seed, found in calibrations.items() if found.refused}
    with writing(out) as folder:
        for member, path in members.items():
            shutil.copytree(path, folder / MEMBERS / member, ignore=shutil.ignore_patterns(".gitignore"))
        write_calibrators(folder, calibrations)
        write_json(folder / VALIDATION, {str(seed): found.as_json() for seed, found in metrics.items()})
        _manifest(name, members, bundles, config, seeds, serving, refused).write(folder / MANIFEST)
    return EnsembleResult(name, tuple(members), serving, metrics[serving].xauc, tuple(refused))


def _common(bundles: Mapping[str, FittedModel], table: TrainingTable) -> tuple[int, ...]:
    """Return the seeds that all members have, after checking that all were fitted on this table."""
    expected = hash_value(table.learned_hashes)
    for name, bundle in bundles.items():
        if bundle.manifest.hashes.data != expected:
            raise TrainingError(f"member {name} was fitted on another table: run train@{name} again")
    first, *others = bundles.values()
    seeds = tuple(seed for seed in first.seeds if all(seed in other.seeds for other in others))
    if not seeds:
        listed = "; ".join(f"{name}: {', '.join(map(str, bundle.seeds))}" for name, bundle in bundles.items())
        raise TrainingError(f"the members have no seed in common ({listed}): give them one in training.seeds")
    return seeds


def _predict(bundles: Mapping[str, FittedModel], validation: Path, seed: int, rows_at_a_time: int) -> Predictions:
    """Return what the members say together about the validation day, before calibration."""
    with_history = any(bundle.reads_history for bundle in bundles.values())
    split = Split(validation, (), ("ids", "dense", "duration_s"), with_history)
    parts = [
        combined({name: bundle.predict_encoded(rows, seed) for name, bundle in bundles.items()})
        for rows in split.chunks(rows_at_a_time)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _manifest(
    name: str,
    members: Mapping[str, Path],
    bundles: Mapping[str, FittedModel],
    config: TrainingConfig,
    seeds: tuple[int, ...],
    serving_seed: int,
    refused: Mapping[int, str],
) -> EnsembleManifest:
    first = next(iter(bundles.values())).manifest
    settings = EnsembleSettings(calibration=config.calibration, threads=config.threads)
    learned = {task for bundle in bundles.values() for task in bundle.tasks}
    frozen = {task for bundle in bundles.values() for task in bundle.manifest.frozen_tasks}
    recipes = [bundle.recipe for bundle in bundles.values()]
    fitted = [bundle.manifest.hashes.config for bundle in bundles.values()]
    return EnsembleManifest(
        name=name,
        members=tuple(Member(name=member, hash=hash_tree(path)) for member, path in members.items()),
        training=settings,
        days=first.days,
        rows=first.rows,
        seeds=seeds,
        serving_seed=serving_seed,
        frozen_tasks=tuple(sorted(frozen - learned)),
        calibration_refused=dict(refused),
        hashes=InputHashes(
            data=first.hashes.data,
            code=hash_value([code_hash("ensemble", "predict", "train", "table"), recipe_code(*recipes)]),
            config=hash_value([settings.as_json(), fitted]),
        ),
    )
