"""PEPNet, BST, HSTU and OneTrans on protocol R0, each against the default model given the same CPU time.

The default's use of more time is more fits: what takes k times as long is held against the rank average of k default fits.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.blend import Blender, Member, members
from benchmarks.watchtime.cells import paired, ranked, seconds
from benchmarks.watchtime.ladder import SLOW
from benchmarks.watchtime.measure import CONFIDENCE, Outputs, Scored
from benchmarks.watchtime.r0 import r0_testbed
from benchmarks.watchtime.testbed import Testbed
from models.recipe import Recipe
from tasks.core.files import read_json, write_json
from tasks.evaluate.estimate import Draw, difference
from tasks.train.config import TrainingConfig

DEFAULT = "default"
BASE: Mapping[str, Any] = {
    "head": {"kind": "tr_log"},
    "tasks": {"watch_time": {}, **{task: {"weight": 0.2} for task in ("skip", "long_view")}},
}
ARMS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "epnet": {"backbone": {"kind": "epnet"}},
    "ppnet": {"trunk": {"kind": "ppnet"}},
    "bst": {"encoder": {"history": {"kind": "bst"}}},
    "hstu": {"encoder": {"history": {"kind": "hstu"}}},
    "onetrans": {"encoder": {"history": {"kind": "none"}}, "backbone": {"kind": "onetrans"}},
}
ABOUT = {
    DEFAULT: "shared bottom, target attention",
    "epnet": "+ gates by scene on the embeddings",
    "ppnet": "gates by user, video and author in every task's network, in the shared bottom's place",
    "bst": "in the attention's place",
    "hstu": "in the attention's place",
    "onetrans": "in the place of attention and of the encoding",
}
MARGIN = 0.001
FITS = 2
"""Of every arm at most, and twice as many of the default: further seeds would not fit the time of a run."""
Draws = Mapping[str, Sequence[Draw]]


def recipe_of(arm: str) -> Recipe:
    """Return the recipe of one arm: the default's with one part changed."""
    return Recipe.model_validate({"encoder": {"history": {"kind": "attention"}}, **BASE, **ARMS[arm]})


def seeds_at(times: int, fits: int, available: int) -> list[list[int]]:
    """Return the default fits that stand against each of an arm's fits, as places among those available.

    Args:
        times: CPU time of the arm's fit over that of a default fit, rounded.
        fits: of the arm.
        available: default fits; where they do not suffice for all, averages share some.
    """
    size = max(1, min(times, available))
    return [[(number * size + place) % available for place in range(size)] for number in range(fits)]


@dataclass(frozen=True, eq=False)
class EqualTime:
    """Fits of all arms on R0 with features and histories, and what a fit of each costs."""

    options: Options

    @cached_property
    def training(self) -> TrainingConfig:
        """The settings of every fit."""
        quick = {"max_epochs": 1} if self.options.quick else {}
        return TrainingConfig(seeds=tuple(self.options.seeds[:FITS]), learning_rate=SLOW, **quick)

    @cached_property
    def testbed(self) -> Testbed:
        """Protocol R0 with features; the judge days select nothing."""
        return r0_testbed(self.options.data / "KuaiRand-Pure", self.options.scratch, "features", self.training)

    @cached_property
    def blender(self) -> Blender:
        """Averages of default fits."""
        return Blender(self.testbed)

    def seeds(self, arm: str) -> tuple[int, ...]:
        """Return the seeds of an arm; the default has as many again, to be averaged."""
        own = self.training.seeds
        return own if arm != DEFAULT else (*own, *(max(own) + 1 + number for number in range(len(own))))

    def fit(self, arm: str) -> tuple[Path, float]:
        """Return the bundle of an arm, fitted unless an earlier run did, and the CPU seconds of one of its fits."""
        testbed, seeds, kept = self.testbed, self.seeds(arm), self.options.scratch / f"{arm}.json"
        began = time.process_time()
        bundle = testbed.fit(arm, recipe_of(arm), self.training.model_copy(update={"seeds": seeds}))
        if not kept.is_file():
            write_json(kept, (time.process_time() - began) / len(seeds))
        return bundle, float(read_json(kept))

    def at(self, times: int) -> Draws:
        """Return the default model given so many times the CPU time of one default fit, one draw per fit of an arm."""
        every, chosen = list(self._default.values()), seeds_at(times, len(self.training.seeds), len(self._default))
        outputs: dict[int, Outputs] = {}
        for number, places in enumerate(chosen):
            of = [every[place] for place in places]
            outputs[number] = (self.blender.blend(of) if len(of) > 1 else self.blender.alone(of[0]))[0]
        found: Draws = self.testbed.draws(outputs)
        return found

    @cached_property
    def _default(self) -> dict[int, Member]:
        return members(self.testbed, self.fit(DEFAULT)[0])


def run(options: Options) -> list[Table]:
    """Return the comparison at equal fits and at equal CPU time."""
    equal = EqualTime(options)
    cost = {arm: equal.fit(arm)[1] for arm in ARMS}
    times = {arm: max(1, round(cost[arm] / cost[DEFAULT])) for arm in ARMS}
    plain = equal.at(1)
    at = {number: equal.at(number) for number in sorted(set(times.values()))}
    drawn: dict[str, Draws] = {DEFAULT: plain}
    for arm in ARMS:
        if arm != DEFAULT:
            drawn[arm] = equal.testbed.draws(equal.testbed.outputs(equal.fit(arm)[0]))
    scored = {arm: Scored.of(draws) for arm, draws in drawn.items()}
    rows = []
    for arm, draws in drawn.items():
        metrics = scored[arm].metrics
        cells = [f"{arm}: {ABOUT[arm]}", f"{cost[arm]:.0f} ({cost[arm] / cost[DEFAULT]:.1f})"]
        for metric in ("xauc", "xgauc"):
            cells += [ranked(metrics[metric]), "-" if arm == DEFAULT else paired(draws[metric], plain[metric])]
            cells.append("-" if arm == DEFAULT else paired(draws[metric], at[times[arm]][metric]))
        rows.append([*cells, "-" if arm == DEFAULT else verdict(draws, at[times[arm]]), seconds(metrics["rmse"])])
    return [
        Table(
            title="KuaiRand-Pure, protocol R0, at equal CPU time",
            columns=[
                *("arm", "CPU s a fit (times the default)"),
                *(cell for name in ("XAUC", "XGAUC") for cell in (name, "against one default fit", "at equal CPU")),
                *("verdict", "RMSE, s"),
            ],
            rows=rows,
            notes=[
                f"{len(equal.testbed.rows):,} judge rows, 1-4 May; {len(equal.training.seeds)} fits of every arm, {len(equal.seeds(DEFAULT))} of "
                "the default. Mean over fits ± standard deviation between fits [95 % user-bootstrap interval]; differences "
                "paired by user. XGAUC compares impressions of one user and one day.",
                "At equal CPU: an arm whose fit takes k times as long as a default fit, rounded, stands against rank averages "
                f"of k default fits, of all {len(equal.seeds(DEFAULT))} where k is larger. CPU seconds are of a machine that was shared.",
                f"Verdict, stated before the run: an arm wins where the interval of XGAUC at equal CPU lies above 0 and that of XAUC "
                f"above -{MARGIN}; it loses where one of them lies below 0; else it is open.",
                "Learning rate of the ladder of benchmarks/watchtime, no other setting chosen; what is not said is a default.",
            ],
            numbers={
                "cost": cost,
                **{arm: of.model_dump(mode="json") for arm, of in scored.items()},
            },
        )
    ]


def verdict(arm: Draws, default: Draws) -> str:
    """Return whether an arm wins against the default, loses, or neither."""
    xgauc, xauc = (difference(arm[metric], default[metric], CONFIDENCE) for metric in ("xgauc", "xauc"))
    if xgauc.high < 0 or xauc.high < 0:
        return "loses"
    return "wins" if xgauc.low > 0 and xauc.low > -MARGIN else "open"
