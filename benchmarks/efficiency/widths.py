"""Embedding widths by group of rows: what XAUC a byte buys, by soft selection, magnitude, a power of frequency and one width for all.

Every arm is fitted from scratch on the same fit days, stops on the same validation day, which also decides whether the search ships, and is
reported on judge days that choose nothing. The search reads fit days alone, so it has no rows that the others lack.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from benchmarks.efficiency.skewed import Skewed, skewed_log
from benchmarks.efficiency.width_arms import FREQUENCY_POWER, WHOLE, Day, Fitted, WidthWorld
from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.measure import CONFIDENCE
from benchmarks.within_user.planted import FILE as PLANTED
from models.recipe import Recipe
from tasks.core.layout import Workspace
from tasks.evaluate.estimate import difference
from tasks.protocol.config import load_protocol
from tasks.protocol.run import ProtocolRun
from tasks.weekly.config import WidthsReview
from tasks.weekly.widths import NightFolders

ARMS = {
    "alpha": "soft selection, alpha",
    "absorbed": "soft selection, alpha times weight",
    "magnitude": "(iii) magnitude, no alpha",
    "frequency": f"(ii) frequency to the power of {FREQUENCY_POWER:g}",
    "uniform": "(i) one smaller width",
    "permuted": "control: alpha of groups dealt to other ids",
}
RIVAL = "magnitude"
BUDGETS = (0.25, 0.125)
Fits = Mapping[int, Fitted]


def run(options: Options) -> list[Table]:
    """Fit every arm at every budget in a planted world."""
    torch.set_num_threads(1)
    return [curve(_planted(options), BUDGETS[:1] if options.quick else BUDGETS, options.seeds)]


def _planted(options: Options) -> WidthWorld:
    protocol, root = load_protocol(PLANTED), options.scratch / "planted"
    root.mkdir(parents=True, exist_ok=True)
    size = Skewed(users=200, videos=120, rows=400) if options.quick else Skewed()
    run = ProtocolRun(protocol, Workspace(root / "night"), skewed_log(root / "skewed.parquet", size))
    run.prepare()
    changes = {"learning_rate": 2e-3, **({"max_epochs": 1} if options.quick else {})}
    training = protocol.params.training_of("point").model_copy(update=changes)
    night = NightFolders(run.workspace.features, run.table("ids"), run.days, root)
    # Products of factors: what a multilayer perceptron alone hardly learns, and width is needed for.
    recipe = Recipe.model_validate({"head": {"kind": "tr_log"}, "backbone": {"kind": "deepfm"}})
    config = WidthsReview(epochs=1 if options.quick else 3)
    return WidthWorld(f"Planted: {size.described()}", recipe, training, night, config, root / "widths")


def curve(world: WidthWorld, budgets: Sequence[float], seeds: Sequence[int]) -> Table:
    """Return what every arm has at every budget, whole first."""
    for seed in seeds:
        world.prepare(seed)
    whole = {seed: world.fit(WHOLE, 1.0, seed) for seed in seeds}
    rows, numbers = [_row(world, "whole", 1.0, whole, None)], {WHOLE: _numbers(world, whole)}
    for keep in budgets:
        found = {arm: {seed: world.fit(arm, keep, seed) for seed in seeds} for arm in ARMS}
        for arm, fits in found.items():
            rows.append(_row(world, ARMS[arm], keep, fits, None if arm == RIVAL else found[RIVAL]))
            numbers[f"{arm}, {keep:g}"] = _numbers(world, fits)
    seconds = np.mean([world.search_seconds(seed) for seed in seeds])
    return Table(
        title=world.name.split(":")[0],
        columns=["widths by", "numbers kept", "bytes", "XAUC, validation day", "against (iii), validation day",
                 "XAUC, judge days", "against (iii), judge days", "ships"],
        rows=rows,
        notes=[
            f"{world.name.split(': ')[-1]} Mean ± sd over fits; differences paired [{CONFIDENCE:.0%} user-bootstrap interval]. Bytes: of the table's files, "
            "mean over fits, class of every row, lists and headers included.",
            "Budgets are shares of the numbers of grouped rows (fields with 100 rows or more); (i) takes that share of the width of all fields.",
            "Ships: the interval of the validation day lies above 0. The judge days report.",
            f"A search took {seconds:.0f} s of CPU time: a fit on all fit days but the last, then {world.config.epochs} passes in turns.",
        ],
        numbers=numbers,
    )  # fmt: skip


def _row(world: WidthWorld, name: str, keep: float, fits: Fits, rival: Fits | None) -> list[str]:
    size = f"{np.mean([fit.bytes for fit in fits.values()]):,.0f}"
    cells, ships = [], ""
    for day in ("validation", "judge"):
        draws = world.draws(fits, day)
        cells.append(mean_sd([draw.result.value for draw in draws]))
        gap = None if rival is None else difference(draws, world.draws(rival, day), CONFIDENCE)
        cells.append("" if gap is None else f"{gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]")
        if gap is not None and day == "validation":
            ships = "yes" if gap.low > 0 else "no"
    return [name, f"{keep:.1%}", size, *cells, ships]


def _numbers(world: WidthWorld, fits: Fits) -> dict[str, list[float]]:
    days: tuple[Day, ...] = ("validation", "judge")
    values: dict[str, list[float]] = {day: [draw.result.value for draw in world.draws(fits, day)] for day in days}
    return values | {"bytes": [fit.bytes for fit in fits.values()], "dropped": [fit.dropped for fit in fits.values()]}
