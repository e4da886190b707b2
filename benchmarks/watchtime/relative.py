"""Labels relative to a cohort on protocol R0: RAD beside D2Q, and WTG blind to duration and with an adversary (DVR)."""

from collections.abc import Mapping
from typing import Any

from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.grid import recipe_of
from benchmarks.watchtime.heads import grid_table
from benchmarks.watchtime.measure import CONFIDENCE
from benchmarks.watchtime.r0 import r0_arena
from models.recipe import Recipe
from tasks.evaluate.estimate import Draw, difference
from tasks.train.config import TrainingConfig

BLIND: Mapping[str, Any] = {"set_apart": ["duration_quantile", "duration_log"]}
"""Neither the duration's bucket nor its logarithm is an input; the video's identifier still is."""
METHODS: Mapping[str, Recipe] = {
    "d2q": recipe_of("d2q", "alone"),
    "rad by video": recipe_of("rad", "alone", head={"kind": "rad", "by": "video"}),
    "rad by user": recipe_of("rad", "alone", head={"kind": "rad", "by": "user"}),
    "rad by both": recipe_of("rad", "alone", head={"kind": "rad", "by": "both"}),
    "wtg": recipe_of("wtg", "alone"),
    "wtg, blind to duration": recipe_of("wtg", "alone", **BLIND),
    "dvr": recipe_of("wtg", "alone", **BLIND, adversary={}),
}
BASES: Mapping[str, str] = {
    **dict.fromkeys(("rad by video", "rad by user", "rad by both"), "d2q"),
    "wtg, blind to duration": "wtg",
    "dvr": "wtg, blind to duration",
}
PAIRED = {"xauc": "XAUC", "xgauc": "XGAUC", "mae": "calibrated MAE, s"}
QUICK = ("d2q", "rad by both")


def run(options: Options) -> list[Table]:
    """Return the methods, and each minus what it is a change of."""
    training = TrainingConfig(seeds=tuple(options.seeds), **({"max_epochs": 1} if options.quick else {}))
    arena = r0_arena(options.data / "KuaiRand-Pure", options.scratch, "ids", training)
    methods = {name: METHODS[name] for name in (QUICK if options.quick else METHODS)}
    found = {name: arena.measure(_slug(name), recipe) for name, recipe in methods.items()}
    drawn = {name: arena.draws(arena.outputs(arena.fit(_slug(name), recipe))) for name, recipe in methods.items()}
    return [grid_table("Labels relative to a cohort, watch time only", found, len(arena.rows)), _paired(drawn)]


def _paired(drawn: Mapping[str, Mapping[str, list[Draw]]]) -> Table:
    rows, numbers = [], {}
    for name, base in BASES.items():
        if name not in drawn or base not in drawn:
            continue
        found = {metric: difference(drawn[name][metric], drawn[base][metric], CONFIDENCE) for metric in PAIRED}
        cells = [f"{value:+.4f} [{spread.low:+.4f}, {spread.high:+.4f}]" for value, spread in found.values()]
        rows.append([f"{name} - {base}", *cells])
        numbers[f"{name} - {base}"] = {
            metric: [value, spread.low, spread.high] for metric, (value, spread) in found.items()
        }
    return Table(
        title="What each change gives",
        columns=["change", *PAIRED.values()],
        rows=rows,
        notes=["Mean over fits of the paired difference [95 % user-bootstrap interval]. Defaults, nothing tuned."],
        numbers=numbers,
    )


def _slug(name: str) -> str:
    return name.replace(",", "").replace(" ", "_")
