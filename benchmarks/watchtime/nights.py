"""Every head on every trunk on simulated nights, where the truth is known: five worlds, one fit in each."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.parts.cells import mean_sd, mean_se
from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.grid import TITLES, TRUNKS, heads, recipe_of
from benchmarks.watchtime.heads import QUICK_HEADS
from benchmarks.watchtime.testbed import Testbed
from tasks.core.cluster import NoCluster
from tasks.core.days import Days
from tasks.core.files import read_json
from tasks.core.layout import Workspace
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.night import MeasuredNight
from tasks.features.build import build_features
from tasks.features.config import FeatureConfig
from tasks.ingest.stage import ingest
from tasks.oracle.experiment import exposed_rows, measure_bundle
from tasks.simulate.config import SimulatorConfig
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.training_table import TrainingTable
from tasks.train.config import CalibrationConfig, TrainingConfig
from tasks.validate.config import ValidationConfig
from tasks.validate.stage import validate

WORLD = SimulatorConfig().scaled(4_000)
QUICK_WORLD = SimulatorConfig().scaled(800)
FIRST_SEED = 20260101
START = dt.date(2026, 1, 1)
AGAINST = "d2q"
METRICS = {
    "xauc": "XAUC, logged",
    "truth_xauc": "XAUC, truth",
    "expected_xauc": "XAUC, expected seconds",
    "expected_rmse": "RMSE, expected seconds",
    "expected_tre": "signed TRE, expected seconds",
}
Measured = dict[str, float]


def run(options: Options) -> list[Table]:
    """Return one table per trunk."""
    torch.set_num_threads(1)
    kinds = QUICK_HEADS if options.quick else heads()
    found: dict[str, dict[str, list[Measured]]] = {trunk: {head: [] for head in kinds} for trunk in TRUNKS}
    for number, seed in enumerate(options.seeds):
        night = Night.of(options.scratch / f"nights/{seed}", seed, number, options.quick)
        for trunk in TRUNKS:
            for head in kinds:
                found[trunk][head].append(night.measure(head, trunk))
    return [_table(TITLES[trunk], by_head) for trunk, by_head in found.items()]


class Night:
    """One world up to its table, and the uniformly exposed rows that tell the truth about its judge day."""

    def __init__(self, testbed: Testbed, world: SimulatorConfig, truth_rows: int) -> None:
        self.testbed, self._world = testbed, world
        self._config = EvaluationConfig(replicates=100, truth_rows=truth_rows, list_lengths=(3,))
        self._rows = exposed_rows(world, testbed.features, testbed.days, truth_rows, (5_000, 400_000))

    @classmethod
    def of(
        cls,
        folder: Path,
        seed: int,
        number: int,
        quick: bool,
        world: SimulatorConfig | None = None,
        fit_days: int | None = None,
    ) -> "Night":
        """Simulate, validate and build one world, unless an earlier run did.

        Args:
            folder: of this world.
            seed: of the world and of the fits.
            number: moves the night, so that no two share a judge day.
            quick: a small variant that shows that it runs.
            world: its size; None: that of the grid.
            fit_days: days in the fit window; None: those of the grid.
        """
        workspace = Workspace(folder)
        world = (world or (QUICK_WORLD if quick else WORLD)).model_copy(update={"seed": FIRST_SEED + seed})
        as_of = START + dt.timedelta(days=14 + number)
        days = Days.of_night(as_of, fit_days or (3 if quick else 6), lookback=7)
        if not TrainingTable.stands_in(workspace.table):
            ingest(world, days, workspace.raw)
            rules = ValidationConfig.model_validate({"tables": {"min_rows": 100}})
            validate(workspace.raw, rules, days, workspace.validated)
            build_features(workspace.validated, FeatureConfig(), days, workspace.features, NoCluster())
            build_table(workspace.features, TableConfig(), days, workspace.table)
        training = TrainingConfig(
            seeds=(seed,),
            batch_size=512,
            learning_rate=2e-3,
            max_epochs=1 if quick else 6,
            patience=1,
            calibration=CalibrationConfig(min_rows=100, max_tre=10),
        )
        testbed = Testbed(workspace.features, workspace.table, days, folder / "fits", training, replicates=100)
        return cls(testbed, world, 2_000 if quick else 20_000)

    def measure(self, head: str, trunk: str) -> Measured:
        """Return one cell of the grid, on logged rows and against the truth."""
        name, recipe = f"{head}_{trunk}", recipe_of(head, trunk)
        logged = self.testbed.measure(name, recipe).metrics
        truth = self.truth(self.testbed, self.testbed.fit(name, recipe))
        expected = truth["truth_expected"]["metrics"]
        return {
            "xauc": logged["xauc"].value,
            "truth_xauc": truth["truth"]["metrics"]["xauc"]["value"],
            "expected_xauc": expected["xauc"]["value"],
            "expected_rmse": expected["rmse"]["value"],
            "expected_tre": expected["tre_signed"]["value"],
        }

    def truth(self, testbed: Testbed, bundle: Path) -> dict[str, Any]:
        """Return what a bundle is worth where everything is shown at random; a stored result is read back.

        Args:
            testbed: where it was fitted; its judge day is that of this world.
            bundle: of one seed.
        """
        folder = testbed.scratch / "truth"
        if not (folder / f"{bundle.name}.json").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            night = MeasuredNight(testbed.features, testbed.days, self._config)
            measure_bundle(night, bundle.name, bundle, self._rows, folder)
        found: dict[str, Any] = read_json(folder / f"{bundle.name}.json")
        return found


def _table(title: str, by_head: Mapping[str, Sequence[Measured]]) -> Table:
    order = sorted(by_head, key=lambda head: -float(np.mean(_values(by_head[head], "xauc"))))
    rows = []
    for head in order:
        cells = []
        for metric in METRICS:
            value, base = _values(by_head[head], metric), _values(by_head[AGAINST], metric)
            paired = f" ({mean_se(value - base)})" if head != AGAINST and metric != "expected_tre" else ""
            cells.append(mean_sd(value, 3 if metric in ("expected_rmse", "expected_tre") else 4) + paired)
        rows.append([head, *cells])
    return Table(
        title=title,
        columns=["head", *METRICS.values()],
        rows=rows,
        notes=[
            f"{WORLD.impressions_per_day:,} impressions a day of {WORLD.users:,} users and {WORLD.videos:,} videos; every "
            "world another judge day and seed of the fit. Mean ± sd over worlds; in brackets the paired difference from "
            f"{AGAINST}, ± its standard error over worlds. Truth: what uniformly exposed rows of the judge day show, and what "
            "the simulator expects them to show. Seconds after the night's calibration on logged rows."
        ],
        numbers={head: list(measured) for head, measured in by_head.items()},
    )


def _values(measured: Sequence[Measured], metric: str) -> NDArray[np.float64]:
    return np.array([found[metric] for found in measured])
