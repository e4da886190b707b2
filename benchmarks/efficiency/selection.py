"""Fits on a part of the fit rows: drawn alike, drawn by what is rare, by likeness to the last day, with and without weights, and the last days.

One world a seed, up to its table, where the truth is known: what a model is worth where everything is shown at random. Arms of a share
keep as many rows on average; all stop on the same validation day and are reported on the judge day, which chooses nothing.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.grid import recipe_of
from benchmarks.watchtime.measure import CONFIDENCE
from benchmarks.watchtime.nights import Night
from benchmarks.watchtime.testbed import Testbed
from tasks.core.days import Days
from tasks.core.files import read_json, write_json
from tasks.evaluate.metrics.pairwise import xauc
from tasks.simulate.config import SimulatorConfig
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.selection.config import RareSelection, SearchSelection, UniformSelection
from tasks.table.training_table import SELECTED, WEIGHT, TrainingTable

WORLD, QUICK_WORLD = SimulatorConfig().scaled(2_000), SimulatorConfig().scaled(400)
FIT_DAYS = 8
PATIENCE, MAX_EPOCHS, BATCH_ROWS = 3, 40, 256
"""Fits on few rows take few steps an epoch: all arms have as many epochs as they find use for."""
DAYS_KEPT = (1, 2, 4)
"""Of the rival that fits on the last days alone; shares of all other arms follow."""
RECIPE = recipe_of("cread", "shared_bottom", tasks={"watch_time": {}, "skip": {}, "long_view": {}})
WHOLE = "all rows"
ARMS = {
    "uniform": "uniform rows, 1 / pi",
    "users": "uniform users, 1 / pi",
    "rare": "rare videos likelier, 1 / pi",
    "search": "users like the last day's, 1 / pi",
    "unweighted": "rare videos likelier, no weights (wrong twin)",
    "days": "the last days, all rows",
}
TAIL = 0.25
"""Share of the catalogue of the fit days, fewest rows first, that is called the tail."""
METRICS = {
    "known": "watch time of rows read, over that of all",
    "truth": "XAUC, all shown at random",
    "logged": "XAUC, judge day",
    "tail": "XAUC, tail videos",
    "level": "native mean over watched, judge day",
    "skip": "P(skip) over skipped, judge day",
}
Measured = dict[str, float]


def run(options: Options) -> list[Table]:
    """Return what every arm has at every share."""
    import sklearn.cluster  # noqa: F401 - loading it is no part of a search

    torch.set_num_threads(1)
    worlds = [Selections.of(options, number, seed) for number, seed in enumerate(options.seeds)]
    kept = DAYS_KEPT[1:2] if options.quick else DAYS_KEPT
    whole = [world.measured(WHOLE, FIT_DAYS) for world in worlds]
    return [
        _table(whole, {(days, arm): [world.measured(arm, days) for world in worlds] for days in kept for arm in ARMS})
    ]


@dataclass(frozen=True)
class Selections:
    """One world.

    Attributes:
        night: with all rows in its table.
        seed: of world, draws and fits.
        folder: where arms lie.
        quick: one epoch, to show that it runs.
    """

    night: Night
    seed: int
    folder: Path
    quick: bool

    @classmethod
    def of(cls, options: Options, number: int, seed: int) -> "Selections":
        """Simulate one world up to its table, unless an earlier run did."""
        folder = options.scratch / f"worlds/{seed}"
        world = QUICK_WORLD if options.quick else WORLD
        night = Night.of(folder, seed, number, options.quick, world, fit_days=FIT_DAYS)
        return cls(night, seed, folder, options.quick)

    @property
    def days(self) -> Days:
        """Roles of the days."""
        return self.night.testbed.days

    def measured(self, arm: str, kept: int) -> Measured:
        """Return what an arm that keeps as many rows as some days have is worth; a stored result is read back."""
        stored = self.folder / "measured" / f"{arm.replace(' ', '_')}-{kept}.json"
        if not stored.is_file():
            write_json(stored, self._measure(arm, kept))
        return {name: float(value) for name, value in read_json(stored).items()}

    def _measure(self, arm: str, kept: int) -> Measured:
        begun = time.process_time()
        table = self._table(arm, kept)
        selecting = time.process_time() - begun
        bed = replace(self.night.testbed, table=table, scratch=self.folder / "arms" / f"{arm}-{kept}")
        if not self.quick:
            settings = {"patience": PATIENCE, "max_epochs": MAX_EPOCHS, "batch_size": BATCH_ROWS}
            bed = replace(bed, training=bed.training.model_copy(update=settings))
        begun = time.process_time()
        bundle = bed.fit("cread", RECIPE)
        fitting = time.process_time() - begun
        opened = TrainingTable.open(table)
        found = opened.metadata.selection
        watch_B = opened.column(opened.stepped, "watch_s").astype(np.float64)
        rows, weight_B = len(watch_B), opened.pool_weights()
        pool = TrainingTable.open(self.night.testbed.table).column("fit", "watch_s").astype(np.float64)
        return {
            "known": float(np.average(watch_B, weights=weight_B) / pool.mean()),
            **self._judged(bed, bundle),
            "truth": self.night.truth(bed, bundle)["truth"]["metrics"]["xauc"]["value"],
            "rows": rows,
            "effective": rows if found is None or arm == "unweighted" else found.effective,
            "select_s": selecting if arm != WHOLE else 0.0,
            "fit_s": fitting,
        }

    def _table(self, arm: str, kept: int) -> Path:
        """Return the table of an arm. The clock sees what it took beyond the table of all rows: nothing of that is used again."""
        if arm == WHOLE:
            return self.night.testbed.table
        days, table = self.days, self.folder / "tables" / f"{arm}-{kept}"
        share, common = kept / FIT_DAYS, {"seed": self.seed}
        selections = {
            "uniform": UniformSelection(share=share, **common),
            "users": UniformSelection(share=share, unit="user", **common),
            "rare": RareSelection(share=share, power=1.0, **common),
            "search": SearchSelection(share=share, **common),
        }
        if arm == "days":
            build_table(self.night.testbed.features, TableConfig(), replace(days, fit=days.fit[-kept:]), table)
            return table
        selection = selections["rare" if arm == "unweighted" else arm]
        build_table(self.night.testbed.features, TableConfig(selection=selection), days, table)
        if arm == "unweighted":
            weights = table / SELECTED / f"{WEIGHT}.npy"
            np.save(weights, np.ones_like(np.load(weights)))
        return table

    def _judged(self, bed: Testbed, bundle: Path) -> Measured:
        """Return what the judge day says of the serving fit."""
        (outputs,) = bed.judged(bed.outputs(bundle)).values()
        rows, tail_B = self.night.testbed.rows, self._tail
        assert outputs.native_mean_B is not None
        return {
            "logged": xauc(rows.watch_B, outputs.score_B).value,
            "tail": xauc(rows.watch_B[tail_B], outputs.score_B[tail_B]).value,
            "level": float(outputs.native_mean_B.mean() / rows.watch_B.mean()),
            "skip": float(outputs.probability["skip"].mean() / rows.labels["skip"].mean()),
        }

    @cached_property
    def _tail(self) -> np.ndarray:
        """Judge rows of videos with few fit rows, or none."""
        video_V, rows_V = np.unique(
            TrainingTable.open(self.night.testbed.table).column("fit", "video_id"), return_counts=True
        )
        head_V = video_V[rows_V > np.quantile(rows_V, TAIL)]
        return ~np.isin(self.night.testbed.keys["video_id"].to_numpy(), head_V)


def _table(whole: Sequence[Measured], found: Mapping[tuple[int, str], Sequence[Measured]]) -> Table:
    rows = [_row(WHOLE, whole, None)]
    rows += [_row(f"{days / FIT_DAYS:.1%}: {ARMS[arm]}", of, whole) for (days, arm), of in found.items()]
    numbers = {WHOLE: list(whole), **{f"{arm}, {days} days": list(of) for (days, arm), of in found.items()}}
    return Table(
        title="Selected rows",
        columns=[
            "steps read",
            "rows",
            "worth",
            *METRICS.values(),
            "XAUC at random against all rows",
            "CPU s: select + fit",
        ],
        rows=rows,
        notes=[
            f"Simulated worlds, one a seed, {WORLD.impressions_per_day:,} impressions a day, {FIT_DAYS} fit days; one fit each, CREAD with skip "
            f"and long view, at most {MAX_EPOCHS} epochs of batches of {BATCH_ROWS}, stopped after {PATIENCE} without gain. Mean ± sd over worlds; differences paired by world [{CONFIDENCE:.0%} t interval]. Worth: effective sample size.",
            "Watch time of rows read is weighed as their losses are: 1 is what weights are for. Of rows of few users it varies, and of the last "
            "days it is another time's.",
            f"Levels are of what the networks say before calibration; 1 is right. Tail: videos among the {TAIL:.0%} with fewest fit rows, or with none.",
            "Selecting: CPU time of the table stage, features to columns, all rows or the last days alone.",
        ],
        numbers=numbers,
    )


def _row(name: str, of: Sequence[Measured], whole: Sequence[Measured] | None) -> list[str]:
    def values(metric: str) -> list[float]:
        return [one[metric] for one in of]

    gap = (
        ""
        if whole is None
        else _paired([one["truth"] - all_rows["truth"] for one, all_rows in zip(of, whole, strict=True)])
    )
    return [
        name,
        f"{np.mean(values('rows')):,.0f}",
        f"{np.mean(values('effective')):,.0f}",
        *(mean_sd(values(metric), 4 if metric in ("truth", "logged", "tail") else 3) for metric in METRICS),
        gap,
        f"{np.mean(values('select_s')):.1f} + {np.mean(values('fit_s')):.1f}",
    ]


def _paired(gaps: Sequence[float]) -> str:
    """Return a mean difference with its t interval, undefined for one world."""
    mean, worlds = float(np.mean(gaps)), len(gaps)
    if worlds < 2:
        return f"{mean:+.4f}"
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, worlds - 1) * np.std(gaps, ddof=1) / np.sqrt(worlds))
    return f"{mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}]"
