"""Bins that grow, and thresholds drawn from a lognormal, against fixed bins at equal optimiser steps on simulated nights."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.grid import recipe_of
from benchmarks.watchtime.nights import Night
from models.recipe import Recipe
from tasks.core.files import read_json, write_json
from tasks.table.training_table import TrainingTable

log = logging.getLogger(__name__)
EPOCHS, QUICK_EPOCHS = 10, 1
AGAINST = "128 bins"
METRICS = {
    "xauc": "XAUC",
    "mae": "calibrated MAE, s",
    "rmse": "calibrated RMSE, s",
    "dce_rel": "calibrated DCE_rel",
    "native_mean_tre": "TRE of the own mean",
    "cpu_s": "CPU-s of a fit",
}
DIGITS = {"mae": 3, "rmse": 3, "cpu_s": 1}
EVEN = 0.001
"""Curvature at which EAD cuts at equal frequency, as bins that grow do."""
CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Arm:
    """One way to place the bins of one head.

    Attributes:
        head: kind.
        bins: what stands in the table.
        options: of the head; `progressive_steps` None stands for all steps of the fit.
    """

    head: str
    bins: str
    options: Mapping[str, Any]

    def recipe(self, steps: int) -> Recipe:
        """Return watch time alone under this head."""
        options = {name: steps if value is None else value for name, value in self.options.items()}
        return recipe_of(self.head, "alone", head={"kind": self.head, **options})


def _thresholds(head: str) -> list[Arm]:
    return [
        Arm(head, "as shipped", {}),
        Arm(head, "32 bins", {"thresholds": 32, "curvature": EVEN}),
        Arm(head, AGAINST, {"thresholds": 128, "curvature": EVEN}),
        Arm(head, "8 to 128 bins", {"thresholds": 128, "progressive_steps": None}),
        Arm(head, "split, 128 from the first step", {"thresholds": 128, "progressive_steps": 0}),
        Arm(head, "128 drawn, weighed", {"thresholds": 128, "placement": "lognormal"}),
    ]


ARMS = (
    *_thresholds("ordinal"),
    *_thresholds("cread"),
    Arm("tpm", "32 bins", {"depth": 5}),
    Arm("tpm", AGAINST, {"depth": 7}),
    Arm("tpm", "8 to 128 bins", {"depth": 7, "progressive_steps": None}),
    Arm("tpm", "split, 128 from the first step", {"depth": 7, "progressive_steps": 0}),
)
QUICK_ARMS = tuple(arm for arm in ARMS if arm.head == "cread" and arm.bins in (AGAINST, "8 to 128 bins"))
Measured = dict[str, float]


def run(options: Options) -> list[Table]:
    """Return the arms of every head, and each minus 128 fixed bins."""
    torch.set_num_threads(1)
    arms = QUICK_ARMS if options.quick else ARMS
    found: dict[Arm, list[Measured]] = {}
    steps = 0
    for number, seed in enumerate(options.seeds):
        night = Night.of(options.scratch / f"nights/{seed}", seed, number, options.quick)
        steps = steps_of(night, QUICK_EPOCHS if options.quick else EPOCHS)
        for arm in arms:
            found.setdefault(arm, []).append(measured(night, arm, QUICK_EPOCHS if options.quick else EPOCHS))
            log.info("seed %d, %s, %s: %s", seed, arm.head, arm.bins, found[arm][-1])
    return [levels(found, steps), differences(found)]


def steps_of(night: Night, epochs: int) -> int:
    """Return the optimiser steps of so many epochs on a night's fit days."""
    rows = TrainingTable.open(night.testbed.table).metadata.rows["fit"]
    return epochs * math.ceil(rows / night.testbed.training.batch_size)


def measured(night: Night, arm: Arm, epochs: int) -> Measured:
    """Fit an arm for all epochs, none of which ends it, and measure it; a stored result is read back."""
    testbed = night.testbed
    training = testbed.training.model_copy(update={"max_epochs": epochs, "patience": epochs})
    name, recipe = f"{arm.head}_{arm.bins.replace(' ', '_').replace(',', '')}", arm.recipe(steps_of(night, epochs))
    stored, began = testbed.scratch / "bins" / f"{name}.json", time.process_time()
    if stored.is_file():
        kept: Measured = read_json(stored)
        return kept
    testbed.fit(name, recipe, training)
    cpu_s = time.process_time() - began
    scored = testbed.measure(name, recipe, training).metrics
    found = {metric: cpu_s if metric == "cpu_s" else scored[metric].value for metric in METRICS}
    write_json(stored, found)
    return found


def levels(found: Mapping[Arm, Sequence[Measured]], steps: int) -> Table:
    """Return every arm, as many steps in each.

    Args:
        found: arm -> what it measured in every world.
        steps: of a fit.
    """
    return Table(
        title="Bins of three heads, watch time only",
        columns=["head", "bins", *METRICS.values()],
        rows=[
            [arm.head, arm.bins, *(mean_sd(_values(worlds, metric), _digits(metric)) for metric in METRICS)]
            for arm, worlds in found.items()
        ],
        notes=[
            f"Mean ± sd over worlds of as many seeds, one fit in each. Every fit takes {steps:,} steps (of the last world), and its "
            "best epoch by the validation loss is measured on the judge day. 32 and 128 bins lie at equal frequency; "
            "as shipped: error-adaptive. Split: the form that grows, all of its 128 bins read from the first step. Seconds "
            "after the night's calibration, but for TRE of the own mean. CPU-s on a machine that was shared.",
        ],
        numbers=[{"head": arm.head, "bins": arm.bins, "worlds": list(worlds)} for arm, worlds in found.items()],
    )


def differences(found: Mapping[Arm, Sequence[Measured]]) -> Table:
    """Return every arm minus the fixed bins of its head, world by world."""
    bases = {arm.head: worlds for arm, worlds in found.items() if arm.bins == AGAINST}
    return Table(
        title=f"Minus {AGAINST} at equal steps",
        columns=["head", "bins", *METRICS.values()],
        rows=[
            [arm.head, arm.bins, *(_paired(worlds, bases[arm.head], metric) for metric in METRICS)]
            for arm, worlds in found.items()
            if arm.bins != AGAINST
        ],
        notes=["Mean over worlds of the paired difference [95 % interval of Student's t over worlds]. Nothing tuned."],
    )


def _paired(worlds: Sequence[Measured], base: Sequence[Measured], metric: str) -> str:
    gap = _values(worlds, metric) - _values(base, metric)
    digits, mean = _digits(metric), float(gap.mean())
    half = math.nan
    if len(gap) > 1:
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(gap) - 1) * gap.std(ddof=1) / math.sqrt(len(gap)))
    return f"{mean:+.{digits}f} [{mean - half:+.{digits}f}, {mean + half:+.{digits}f}]"


def _values(worlds: Sequence[Measured], metric: str) -> NDArray[np.float64]:
    return np.array([found[metric] for found in worlds])


def _digits(metric: str) -> int:
    return DIGITS.get(metric, 4)
