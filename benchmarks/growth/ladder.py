"""The recipes of a default night on logs of growing size: one fitted world after another, and the table of differences."""

import datetime as dt
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.feedback.differences import known_ends
from benchmarks.parts.part import Options, Table
from tasks.config import Params, load_params
from tasks.core.files import read_json, write_json
from tasks.core.layout import Workspace
from tasks.evaluate.catalogue import metric
from tasks.evaluate.compare import compare
from tasks.evaluate.comparison import Comparison
from tasks.protocol.config import Protocol, ProtocolDays, Variant
from tasks.protocol.run import ProtocolRun
from tasks.simulate.config import SimulatorConfig
from tasks.table.training_table import TrainingTable

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPES = ("four_heads", "trees")
"""The network, and what it is held against."""
VARIANT = "night"
METRICS = ("xauc", "xgauc", "gauc_long_view", "auc_skip", "mae", "rmse_ratio", "xauc_new_user", "xauc_new_video")
SEED = 20261130
"""Of the worlds: none that a setting was chosen on."""
QUICK = 1_400
"""Impressions a day of the quick variant."""
QUICK_FIT_DAYS = 3

WorldOf = Callable[[SimulatorConfig, int], SimulatorConfig]
"""Returns the world of so many impressions a day, made of the default night's."""


@dataclass(frozen=True)
class Measured:
    """One log.

    Attributes:
        rows: of the fit days.
        world: what made it.
        found: the network against the trees on the judge day.
        cpu_s: recipe -> CPU-seconds of all its fits, predictions and metrics of the judge day.
    """

    rows: int
    world: SimulatorConfig
    found: Comparison
    cpu_s: Mapping[str, float]


def ladder(
    options: Options,
    sizes: Sequence[int],
    world_of: WorldOf,
    title: str,
    threads: int = 1,
    trees: Mapping[str, Any] = MappingProxyType({}),
    said: str = "",
) -> Table:
    """Fit and compare on one log after another; only what was compared is kept.

    With a scratch of the caller's, a run that was ended goes on with what it had finished of a log: data, table, recipes.

    Args:
        options: seeds and scratch.
        sizes: impressions a day.
        world_of: what grows.
        title: of the table.
        threads: of every fit.
        trees: settings of the recipe of trees that differ from the default night's.
        said: of that, among the table's notes.
    """
    params = load_params(REPOSITORY / "params.yaml")
    measured = []
    for size in [QUICK] if options.quick else sizes:
        root = options.scratch / str(size)
        measured.append(_measured(_protocol(params, world_of, size, options, threads, trees), Workspace(root)))
        shutil.rmtree(root)
    return _table(title, measured, params.evaluation.confidence, threads, said)


def _measured(protocol: Protocol, workspace: Workspace) -> Measured:
    run = ProtocolRun(protocol, workspace)
    place, world = run.place(VARIANT), protocol.params.sources[protocol.params.default_source]
    run.prepare()
    if not place.table.is_dir():
        run.table(VARIANT)
    cpu_s = {recipe: _cpu_s_of_fits(run, recipe, place) for recipe in RECIPES}
    assert isinstance(world, SimulatorConfig)
    network, trees = ([place.judge_table(recipe)] for recipe in RECIPES)
    rows = TrainingTable.open(place.table).metadata.rows["fit"]
    return Measured(rows, world, compare(network, trees, protocol.params.evaluation), cpu_s)


def _cpu_s_of_fits(run: ProtocolRun, recipe: str, place: Workspace) -> float:
    """Fit a recipe, unless that was finished before, and return the CPU-seconds it took."""
    taken = place.root / f"{recipe}.cpu_s.json"
    if not taken.is_file():
        began = time.process_time()
        run.fit(VARIANT, recipe)
        write_json(taken, time.process_time() - began)
    return float(read_json(taken))


def _protocol(
    params: Params, world_of: WorldOf, size: int, options: Options, threads: int, changed_trees: Mapping[str, Any]
) -> Protocol:
    """Return the default night's recipes and settings on the world of one size; trees are fitted on all its rows."""
    world, quick = params.sources["simulator"], options.quick
    assert isinstance(world, SimulatorConfig)
    network, trees = (params.recipes[recipe] for recipe in RECIPES)
    trees = trees | {"max_fit_rows": 10 * size} | dict(changed_trees) | ({"fits": 1, "max_rounds": 10} if quick else {})
    window = params.window.model_copy(update={"fit_days": QUICK_FIT_DAYS} if quick else {})
    changed = {
        "default_source": "simulator",
        "window": window,
        "sources": {"simulator": world_of(world, size).model_copy(update={"seed": SEED})},
        "recipes": dict(zip(RECIPES, (network, trees), strict=True)),
        "training": params.training.model_copy(
            update={"seeds": tuple(options.seeds), "threads": threads} | ({"max_epochs": 1} if quick else {})
        ),
    }
    first = world.start_day + dt.timedelta(days=window.lookback_days)
    days = tuple(first + dt.timedelta(days=number) for number in range(window.fit_days + 2))
    return Protocol(
        title="growth",
        about="",
        command="",
        days=ProtocolDays(fit=days[:-2], validation=days[-2], judge=days[-1:], frozen=False),
        variants={VARIANT: Variant(title="night", table=params.table, recipes=RECIPES)},
        baselines_on=VARIANT,
        params=params.model_copy(update=changed),
    )


def _table(title: str, measured: Sequence[Measured], level: float, threads: int, said: str) -> Table:
    """Return a row per log and a column per metric: network, trees, and the difference with its interval."""
    worlds = "; ".join(
        f"{one.rows:,} rows: {one.world.users:,} users and {one.world.videos:,} videos at first, "
        f"{one.world.impressions_per_day:,} impressions a day"
        for one in measured
    )
    return Table(
        title=title,
        columns=["fit rows", *(metric(name).label for name in METRICS), "CPU-s a fit"],
        rows=[[f"{one.rows:,}", *(_cell(one.found, name, level) for name in METRICS), _cost(one)] for one in measured],
        notes=[
            "`{}` / `{}` of the default night, means over fits; then their difference with its 95 % interval (users of the judge "
            "day, paired, and fits of both sides; of one fit, users alone).".format(*RECIPES),
            "Lower is better of MAE (seconds) and of RMSE, whose difference is relative.",
            *([f"Every fit has {threads} threads."] if threads > 1 else []),
            *([said] if said else []),
            "Both read one table, with features of every morning; the trees are fitted on all its rows and read no identifier and no "
            f"history. Six fit days, a day of early stopping and calibration, one judge day. {worlds}.",
        ],
        numbers=[
            {
                "rows": one.rows,
                "cpu_s": dict(one.cpu_s),
                "world": one.world.model_dump(mode="json"),
                "metrics": {
                    name: vars(one.found.metrics[name]) | known_ends(one.found.metrics[name], level) for name in METRICS
                },
            }
            for one in measured
        ],
    )


def _cell(found: Comparison, name: str, level: float) -> str:
    paired, digits = found.metrics[name], metric(name).digits
    ends = known_ends(paired, level)
    scale = 100 if metric(name).unit == "%" else 1
    values = f"{paired.candidate:.{digits}f} / {paired.reference:.{digits}f}"
    low, high = (f"{scale * ends[end]:+.{digits}f}" for end in ("low", "high"))
    return f"{values}: {scale * paired.value:+.{digits}f} [{low}, {high}]"


def _cost(one: Measured) -> str:
    fits = next(iter(one.found.metrics.values())).candidate_num_seeds
    return " / ".join(f"{one.cpu_s[recipe] / fits:.0f}" for recipe in RECIPES)
