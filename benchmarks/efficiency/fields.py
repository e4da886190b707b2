"""F-Permutation of the nightly network: against permutation, on planted noise, and dropping its lowest third against chance."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.efficiency.night import NOISE, PARAMS, RECIPE, PlantedNight, planted_night
from benchmarks.parts.cells import mean_sd, mean_se
from benchmarks.parts.part import Options, Table
from models.attribution.fields import FieldRows
from models.attribution.permutation import f_permutation, permutation
from models.recipe import Recipe
from tasks.attribution.ranks import agreement, ranks
from tasks.attribution.sample import validation_sample
from tasks.core.files import write_json
from tasks.evaluate.metrics.pairwise import xauc
from tasks.prune.without import without
from tasks.table.source import FeatureFolder
from tasks.table.training_table import TrainingTable
from tasks.train.calibrate import ValidationRows, calibrate
from tasks.train.config import TrainingConfig
from tasks.train.device import Device
from tasks.train.fit import SeedFit
from tasks.train.population import open_population
from tasks.train.problem import open_problem, reads_history
from tasks.train.validate import predict_split

SHUFFLES = 5
EPOCHS = 2
"""Of every fit: one or two before nights end, and within .001 of their XAUC, so that nine of them take minutes."""
_WATCH_TIME = "watch_time"
ROWS = 8_000
"""Of the validation day, on which permutation is computed."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fields:
    """The night and how recipes are fitted on it.

    Attributes:
        night: with noise in its table.
        training: settings of every fit.
        folder: where finished fits are kept.
    """

    night: PlantedNight
    training: TrainingConfig
    folder: Path

    @property
    def recipe(self) -> Recipe:
        """The nightly network's."""
        recipe = PARAMS.recipe(RECIPE)
        assert isinstance(recipe, Recipe)
        return recipe

    @property
    def features(self) -> FeatureFolder:
        """What says which dense features make a group."""
        return FeatureFolder.open(self.night.features)

    def measured(self, name: str, seed: int, dropped: Sequence[str] = ()) -> dict[str, Any]:
        """Return what `fit` does, which an earlier run may have kept under the name."""
        path = self.folder / f"{name}-{seed}.json"
        if not path.is_file():
            write_json(path, self.fit(seed, dropped))
        return dict(json.loads(path.read_text()))

    def fit(self, seed: int, dropped: Sequence[str] = ()) -> dict[str, Any]:
        """Fit the recipe without some fields; return XAUC of both days and, of the recipe as it is, all scores."""
        groups = {name: group.columns for name, group in self.features.groups.items()}
        problem = open_problem(TrainingTable.open(self.night.table), without(self.recipe, dropped, groups))
        fitted = SeedFit(problem, seed, self.training, self.folder / "checkpoints").finish()
        ranker = problem.fitted_ranker(fitted.weights).eval()
        device, rows = Device.of(self.training), ValidationRows.of(problem.table)
        of_day = {
            day: predict_split(
                ranker,
                open_population(problem.table, day, problem.recipe, reads_history(problem.recipe)).impressions,
                self.training,
                device,
            )
            for day in ("validation", "judge")
        }
        calibration = calibrate(of_day["validation"], rows, problem.labels, self.training.calibration)
        found: dict[str, Any] = {}
        for day, predictions in of_day.items():
            watch_s, duration_s = (
                np.asarray(problem.table.column(day, name), dtype=np.float64) for name in ("watch_s", "duration_s")
            )
            found[day] = xauc(watch_s, calibration.apply(predictions, duration_s)["score"]).value
        if not dropped:
            found |= _scores(validation_sample(ranker, problem.table, self.features, ROWS).rows)
            found["nightly"] = _plain(f_permutation(validation_sample(ranker, problem.table, self.features).rows))
        return found


def run(options: Options) -> list[Table]:
    """Fit, rank and prune."""
    torch.set_num_threads(1)
    night = planted_night(options.scratch / "night", options.quick)
    settings: dict[str, Any] = {"seeds": (0,), "max_epochs": 1 if options.quick else EPOCHS}
    training = PARAMS.training_of(RECIPE).model_copy(update=settings)
    fields = Fields(night, training, options.scratch / "fits")
    as_it_is = {seed: fields.measured("as_it_is", seed) for seed in options.seeds}
    return [_agreement(as_it_is), _noise(as_it_is), _pruning(fields, as_it_is)]


def _scores(rows: FieldRows) -> dict[str, Any]:
    """Return scores of the rows; permutation shuffles inside each of two halves of them."""
    began = time.process_time()
    first_order = f_permutation(rows)
    between = time.process_time()
    halves = [permutation(rows.take(torch.arange(half, len(rows.x_BW), 2)), SHUFFLES, seed=half) for half in (0, 1)]
    ended = time.process_time()
    return {
        "fields": list(rows.layout.names),
        "f_permutation": _plain(first_order),
        "permutation": _plain({task: (halves[0][task] + halves[1][task]) / 2 for task in halves[0]}),
        "halves": [_plain(half) for half in halves],
        "cpu_s": [between - began, ended - between],
        "rows": len(rows.x_BW),
    }


def _plain(scores: Mapping[str, Tensor]) -> dict[str, list[float]]:
    return {task: score_F.tolist() for task, score_F in scores.items()}


def _agreement(as_it_is: Mapping[int, Any]) -> Table:
    """Return the table of rank correlations, a row per task."""
    first = next(iter(as_it_is.values()))
    rows, numbers = [], {}
    for task in first["permutation"]:
        cells: dict[str, list[float]] = {"all": [], "seen": [], "itself": [], "number": [], "nights": []}
        for found in as_it_is.values():
            score, reference = (np.array(found[name][task]) for name in ("f_permutation", "permutation"))
            one, other = (np.array(half[task]) for half in found["halves"])
            # Where two halves of the rows agree on a field's importance to within a half, it is seen at all.
            seen = np.abs(one - other) < np.abs(one + other) / 2
            cells["all"].append(agreement(score, reference))
            cells["seen"].append(agreement(score[seen], reference[seen]))
            cells["number"].append(float(seen.sum()))
            cells["itself"].append(agreement(one, other))
            cells["nights"].append(agreement(np.array(found["nightly"][task]), score))
        scores = [np.array(found["f_permutation"][task]) for found in as_it_is.values()]
        cells["fits"] = [agreement(one, other) for one, other in combinations(scores, 2)]
        numbers[task] = cells
        shown = [mean_sd(cells[name], 3) for name in ("all", "seen")]
        number = f"{np.mean(cells['number']):.0f} of {len(first['fields'])}"
        others = [mean_sd(cells[name], 3) if cells[name] else "" for name in ("itself", "nights", "fits")]
        rows.append([task, *shown, number, *others])
    seconds = np.mean([found["cpu_s"] for found in as_it_is.values()], axis=0)
    return Table(
        title="Rank correlation of F-Permutation with permutation, T = 5",
        columns=["task", "all fields", "fields that permutation sees", "of them", "permutation, half against half", "their first 5,000 (the nightly ones) against all", "fit against fit"],
        rows=rows,
        notes=[
            f"{first['rows']:,} rows of the validation day; mean ± sd over fits. CPU seconds: {seconds[0]:.1f} for all tasks, "
            f"permutation {seconds[1]:.1f}.",
            "Permutation sees a field where two halves of the rows give importances that differ by less than their mean. Of the "
            "others it says noise, in both signs.",
        ],
        numbers=numbers,
    )  # fmt: skip


def _noise(as_it_is: Mapping[int, Any]) -> Table:
    """Return where the two fields of noise stand, from the last."""
    first = next(iter(as_it_is.values()))
    rows, numbers = [], {}
    for name in NOISE:
        cells = []
        for kind in ("f_permutation", "permutation"):
            places = [_rank(found["fields"], found[kind][_WATCH_TIME])[name] for found in as_it_is.values()]
            numbers[f"{name}, {kind}"] = places
            cells.append(", ".join(map(str, places)))
        rows.append([name, *cells])
    return Table(
        title=f"Rank of planted noise for watch time, of {len(first['fields'])} fields",
        columns=["field", "F-Permutation, by fit", "permutation, by fit"],
        rows=rows,
        notes=["noise_id: a thousand levels, each seen about a hundred times in the fit days. noise: a dense feature."],
        numbers=numbers,
    )


def _pruning(fields: Fields, as_it_is: Mapping[int, Any]) -> Table:
    """Return what dropping a third of the fields costs, by rank and by chance."""
    costs: dict[str, list[list[float]]] = {"lowest third by F-Permutation": [], "a third drawn at random": []}
    for seed, found in as_it_is.items():
        names = found["fields"]
        number = len(names) // 3
        by_task = [_rank(names, score) for score in found["nightly"].values()]
        lowest = sorted(names, key=lambda name: -np.mean([rank[name] for rank in by_task]))[:number]
        drawn = np.random.default_rng(seed).permutation(names)[:number].tolist()
        for (arm, cost), dropped in zip(costs.items(), (lowest, drawn), strict=True):
            left = fields.measured(arm.split()[0], seed, dropped)
            cost.append([left[day] - found[day] for day in ("validation", "judge")])
    rows = [[arm, *(mean_se([change[day] for change in cost], 5) for day in (0, 1))] for arm, cost in costs.items()]
    base = [mean_sd([found[day] for found in as_it_is.values()], 5) for day in ("validation", "judge")]
    return Table(
        title="XAUC with a third of the fields gone",
        columns=["fields dropped", "validation day", "judge day"],
        rows=[["none", *base], *rows],
        notes=[
            f"None: mean ± sd over fits of at most {EPOCHS} epochs. The others: difference from the fit with the same seed, ± its standard error over "
            "fits. Ranks are of the validation day, mean over tasks; every fit draws its own random third; each is fitted from scratch.",
        ],
        numbers=costs,
    )


def _rank(names: Sequence[str], scores: Sequence[float]) -> dict[str, int]:
    return dict(zip(names, ranks(np.array(scores), names), strict=True))
