"""Labels relative to a cohort on protocol R0: RAD beside D2Q, and WTG blind to duration and with an adversary (DVR)."""

from collections.abc import Mapping
from typing import Any

from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.cells import paired
from benchmarks.watchtime.grid import recipe_of
from benchmarks.watchtime.heads import grid_table
from benchmarks.watchtime.measure import Scored
from benchmarks.watchtime.r0 import ids_testbed
from models.recipe import Recipe
from tasks.evaluate.estimate import Draw

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
    testbed = ids_testbed(options)
    drawn = {
        name: testbed.draws(testbed.outputs(testbed.fit(_slug(name), METHODS[name])))
        for name in (QUICK if options.quick else METHODS)
    }
    found = {name: Scored.of(draws) for name, draws in drawn.items()}
    return [grid_table("Labels relative to a cohort, watch time only", found, len(testbed.rows)), _paired(drawn)]


def _paired(drawn: Mapping[str, Mapping[str, list[Draw]]]) -> Table:
    pairs = [(name, base) for name, base in BASES.items() if name in drawn and base in drawn]
    return Table(
        title="What each change gives",
        columns=["change", *PAIRED.values()],
        rows=[
            [f"{name} - {base}", *(paired(drawn[name][metric], drawn[base][metric]) for metric in PAIRED)]
            for name, base in pairs
        ],
        notes=["Mean over fits of the paired difference [95 % user-bootstrap interval]. Defaults, nothing tuned."],
    )


def _slug(name: str) -> str:
    return name.replace(",", "").replace(" ", "_")
