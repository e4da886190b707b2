"""DADF's second stage on protocol R0: the same fits, calibrated without it and with it."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.cells import paired
from benchmarks.watchtime.grid import recipe_of
from benchmarks.watchtime.heads import grid_table
from benchmarks.watchtime.measure import Scored
from benchmarks.watchtime.r0 import ids_testbed
from benchmarks.watchtime.testbed import Testbed
from models.correction.config import CorrectionChoice, DadfConfig, NoCorrection
from tasks.evaluate.estimate import Draw
from tasks.predict import load_fitted
from tasks.predict.model import Predictions
from tasks.table.training_table import TrainingTable
from tasks.train.batches import Split
from tasks.train.bundle import write_calibrators
from tasks.train.calibrate import ValidationRows, calibrate
from tasks.train.labels import watch_labels

HEADS, TRUNK = ("d2q", "wlr"), "shared_bottom"
"""A head without seconds of its own and one with them; binary tasks are what a correction reads beside them."""
ARMS: Mapping[str, CorrectionChoice] = {
    "plain": NoCorrection(),
    "dadf": DadfConfig(),
    "dadf, ranked by": DadfConfig(score="corrected"),
}
PAIRED = {"xauc": "XAUC", "xgauc": "XGAUC", "mae": "calibrated MAE, s", "rmse": "calibrated RMSE, s"}


def run(options: Options) -> list[Table]:
    """Return every head under every arm, and each minus the plain one."""
    testbed = ids_testbed(options)
    drawn: dict[str, dict[str, list[Draw]]] = {}
    for head in HEADS[:1] if options.quick else HEADS:
        bundle = testbed.fit(f"{head}_{TRUNK}", recipe_of(head, TRUNK))
        for arm, correction in ARMS.items():
            folder = recalibrated(testbed, bundle, correction, options.scratch / f"{head} {arm}")
            drawn[f"{head}, {arm}"] = testbed.draws(testbed.outputs(folder))
    found = {name: Scored.of(draws) for name, draws in drawn.items()}
    title = "DADF's second stage, shared bottom with skip, valid play, long view and like"
    return [grid_table(title, found, len(testbed.rows)), _paired(drawn)]


def recalibrated(testbed: Testbed, bundle: Path, correction: CorrectionChoice, folder: Path) -> Path:
    """Return a copy of a fitted recipe whose seconds are corrected before they are calibrated.

    Args:
        testbed: whose validation rows calibrators read.
        bundle: of the recipe.
        correction: how.
        folder: of the copy; replaced if it stands.
    """
    torch.set_num_threads(testbed.training.threads)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bundle, folder)
    table, model = TrainingTable.open(testbed.table), load_fitted(bundle)
    rows, labels = ValidationRows.of(table), watch_labels(table, "fit")
    config = testbed.training.calibration.model_copy(update={"correction": correction})
    split = Split(testbed.table / "validation", (), ("ids", "dense", "duration_s"), model.reads_history)
    parts: dict[int, list[Predictions]] = {seed: [] for seed in model.seeds}
    for encoded in split.chunks(testbed.training.evaluation_rows):
        for seed in model.seeds:
            parts[seed].append(model.predict_raw(encoded, seed))
    write_calibrators(folder, {seed: calibrate(_joined(of), rows, labels, config) for seed, of in parts.items()})
    return folder


def _joined(parts: list[Predictions]) -> dict[str, Any]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _paired(drawn: Mapping[str, Mapping[str, list[Draw]]]) -> Table:
    pairs = [(name, f"{name.split(', ')[0]}, plain") for name in drawn if not name.endswith("plain")]
    return Table(
        title="What the correction gives",
        columns=["change", *PAIRED.values()],
        rows=[
            [f"{name} - plain", *(paired(drawn[name][metric], drawn[plain][metric]) for metric in PAIRED)]
            for name, plain in pairs
        ],
        notes=[
            "Mean over fits of the paired difference [95 % user-bootstrap interval]. Defaults, nothing tuned. Learned on "
            "30 April, the day both calibrators are fitted on; networks are the same."
        ],
    )
