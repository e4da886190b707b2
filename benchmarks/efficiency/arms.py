"""Bundles of one fit whose embedding rows are stored in different ways.

What a recipe can ask for is fitted, compressed and calibrated by the train stage itself. The others are copies of the bundle in
single precision whose rows are overwritten by what a format leaves of them, calibrated anew as the stage does.

Shape legend: N rows, D embedding width.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from benchmarks.efficiency.low_bit import beside_single_precision
from benchmarks.watchtime.testbed import Testbed
from models.compression.base import RowUse
from models.compression.formats import Floats, RowFormat
from models.compression.mixed import Mixed, MixedConfig
from models.compression.table import CompressedTable, StoredTable
from models.encoders.base import packed_tables
from models.recipe import Recipe
from tasks.table.training_table import TrainingTable
from tasks.train.bundle import weights_file, write_calibrators
from tasks.train.calibrate import ValidationRows, calibrate
from tasks.train.device import Device
from tasks.train.problem import FitProblem, open_problem
from tasks.train.row_use import row_use
from tasks.train.validate import predict_split

Order = Callable[[int, int], NDArray[np.int64]]
"""Seed of the fit and number of rows -> the rows, those first that are stored with fewer digits first."""


@dataclass(frozen=True)
class Arms:
    """One recipe on one table, stored in different ways.

    Attributes:
        testbed: table and judge days.
        recipe: without compression.
    """

    testbed: Testbed
    recipe: Recipe

    def product(self, kind: str) -> Path:
        """Return the bundle that the train stage writes for `compression: {kind: ...}`."""
        recipe = Recipe.model_validate(self.recipe.model_dump() | {"compression": {"kind": kind}})
        return self.testbed.fit(f"compression_{kind}", recipe)

    def coarse(self, name: str, form: RowFormat, share: float = 1.0, order: Order | None = None) -> Path:
        """Return a copy of the bundle in single precision, a share of whose rows is in another format.

        Args:
            name: of the arm.
            form: of that share.
            share: of the rows.
            order: which rows come first; None: as they are numbered.
        """
        bundle, master = self.testbed.scratch / "coarse" / name, self.product("none")
        if (bundle / "manifest.json").is_file():
            return bundle
        shutil.copytree(master, bundle, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
        formats, calibrations = beside_single_precision(form), {}
        for seed in self.testbed.training.seeds:
            weights = load_file(weights_file(master, seed))
            ranker = self._problem.master_ranker(weights)
            for table in packed_tables(ranker):
                weight_ND = weights[f"{table}.weight"].numpy()
                format_N = np.ones(len(weight_ND), dtype=np.uint8)
                chosen = np.arange(len(weight_ND)) if order is None else order(seed, len(weight_ND))
                format_N[chosen[: round(share * len(weight_ND))]] = 0
                weights[f"{table}.weight"] = _read_back(weight_ND, format_N, formats)
            ranker.load_state_dict(weights)
            training = self.testbed.training
            predictions = predict_split(ranker, self._problem.validation.impressions, training, Device.of(training))
            calibrations[seed] = calibrate(predictions, self._validation, self._problem.labels, training.calibration)
            save_file(weights, weights_file(bundle, seed))
        write_calibrators(bundle, calibrations)
        shutil.copy(master / "manifest.json", bundle / "manifest.json")
        return bundle

    def orders(self) -> Mapping[str, Order]:
        """Return which rows are stored with fewer digits first, by name."""
        priority_N = Mixed(MixedConfig()).priority(self._use)
        low_first = np.argsort(priority_N, kind="stable")
        return {
            "low priority first": lambda seed, rows: low_first,
            "random": lambda seed, rows: np.random.default_rng([83, seed]).permutation(rows),
            "high priority first": lambda seed, rows: low_first[::-1],
        }

    @cached_property
    def _table(self) -> TrainingTable:
        return TrainingTable.open(self.testbed.table)

    @cached_property
    def _problem(self) -> FitProblem:
        return open_problem(self._table, self.recipe)

    @cached_property
    def _validation(self) -> ValidationRows:
        return ValidationRows.of(self._table)

    @cached_property
    def _use(self) -> RowUse:
        return row_use(self._table)


def _read_back(weight_ND: Floats, format_N: NDArray[np.uint8], formats: Mapping[str, RowFormat]) -> torch.Tensor:
    table = CompressedTable(StoredTable.of(weight_ND, format_N, formats))
    return table.rows(torch.arange(len(weight_ND)))
