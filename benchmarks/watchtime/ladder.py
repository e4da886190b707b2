"""What each step of a recipe gives on protocol R0, from one head on raw identifiers to a blend with boosted trees.

Every choice (learning rate, history, further heads, tasks) was made on 30 April, the validation day; the judge days only say
what it was worth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.blend import Blender, Member, members
from benchmarks.watchtime.ceiling import ceilings
from benchmarks.watchtime.cells import paired, ranked, seconds
from benchmarks.watchtime.measure import Number, Outputs, Scored
from benchmarks.watchtime.r0 import r0_testbed, refreshed
from benchmarks.watchtime.reference import LIGHTGBM, RANK_AVERAGE, REFERENCES
from benchmarks.watchtime.testbed import Testbed
from models.calibration import pooled_level
from models.duration_groups import duration_cuts
from models.recipe import Recipe
from tasks.core.files import read_json
from tasks.evaluate.catalogue import ACROSS_DAYS
from tasks.evaluate.estimate import Draw
from tasks.report import charts
from tasks.table.training_table import TrainingTable
from tasks.train.config import TrainingConfig
from tasks.train.labels import watch_labels
from tasks.train.trees.config import TreesRecipe

PLAIN: Mapping[str, Any] = {"kind": "packed"}
ATTENTIVE: Mapping[str, Any] = {"kind": "packed", "history": {"kind": "attention"}}
FURTHER: Mapping[str, Any] = {kind: {"head": {"kind": kind}} for kind in ("d2q", "cread", "vr_phuber")}
TREES = "boosted trees"
TASKS: Mapping[str, Any] = {"watch_time": {}, **{task: {"weight": 0.2} for task in ("skip", "valid_play", "long_view")}}
SLOW = 3e-4
"""Learning rate with features: at 1e-3 the first epoch is the best one."""


@dataclass(frozen=True)
class Step:
    """One fitted recipe of the ladder.

    Attributes:
        title: what it adds to the step before.
        variant: inputs, `ids` or `features` of the protocol.
        recipe: configuration.
        learning_rate: of the fit.
    """

    title: str
    variant: str
    recipe: Mapping[str, Any]
    learning_rate: float = 1e-3


def _of_tr_log(title: str, **parts: Any) -> Step:
    return Step(title, "features", {"head": {"kind": "tr_log"}, **parts}, SLOW)


STEPS = (
    Step("d2q on raw identifiers", "ids", {"head": {"kind": "d2q"}}),
    Step("tr_log in its place", "ids", {"head": {"kind": "tr_log"}}),
    _of_tr_log("+ point-in-time features", encoder=PLAIN),
    _of_tr_log("+ history under target attention", encoder=ATTENTIVE),
    _of_tr_log("+ heads d2q, cread, vr_phuber, rank-averaged", encoder=ATTENTIVE, further_heads=FURTHER),
    _of_tr_log("+ skip, valid play, long view", encoder=ATTENTIVE, further_heads=FURTHER, tasks=TASKS),
)
AVERAGED = ("d2q", "cread", "vr_l1", "wlr")
"""Heads of the reference's rank average."""
TO_BEAT = {
    "best single head, tr_log": (REFERENCES["tr_log"].xauc, 0.6219),
    "rank average of four heads": (RANK_AVERAGE["xauc"], RANK_AVERAGE[ACROSS_DAYS]),
    "LightGBM": (LIGHTGBM["xauc"], LIGHTGBM[ACROSS_DAYS]),
}
"""Figures of the reference on the same rows: XAUC, XGAUC across days (that of the best single head is CREAD's)."""


@dataclass(frozen=True)
class Rung:
    """One row of the ladder.

    Attributes:
        title: what it is.
        outputs: seed -> predictions of the judge days.
        validation_xauc: on the validation day, where choices are made; mean over seeds.
        draws: metric -> one draw per seed, on the judge days.
    """

    title: str
    outputs: Mapping[int, Outputs]
    validation_xauc: float
    draws: Mapping[str, Sequence[Draw]] = field(repr=False)

    @cached_property
    def scored(self) -> Scored:
        """Metrics on the judge days."""
        return Scored.of(self.draws)


class Ladder:
    """Fits the steps and blends of one run."""

    def __init__(self, options: Options) -> None:
        quick = {"max_epochs": 1} if options.quick else {}
        self.scratch = options.scratch
        self.training = TrainingConfig(seeds=tuple(options.seeds), **quick)
        data = options.data / "KuaiRand-Pure"
        self.testbeds = {name: r0_testbed(data, options.scratch, name, self.training) for name in ("ids", "features")}

    def rungs(self) -> list[Rung]:
        """Return the ladder from the bottom."""
        return [*(self._step(step) for step in STEPS), *self._blends()]

    def references(self) -> list[Rung]:
        """Return what the reference compares with, fitted here: its best single head within users, and a rank average."""
        testbed, blender = self.testbeds["ids"], Blender(self.testbeds["ids"])
        steps = {head: Step(f"{head} on raw identifiers", "ids", {"head": {"kind": head}}) for head in AVERAGED}
        fitted = {head: members(testbed, self.fit(step)) for head, step in steps.items()}
        found = {seed: blender.blend([of[seed] for of in fitted.values()]) for seed in self.training.seeds}
        title = f"rank average of {', '.join(AVERAGED)} on raw identifiers"
        average = self._rung(
            title, {seed: both[0] for seed, both in found.items()}, [both[1] for both in found.values()]
        )
        return [self._step(steps["cread"]), average]

    def served_otherwise(self, rung: Rung) -> list[Rung]:
        """Return the last step's fits with totals of a mean day, and with features as of every morning."""
        testbed, bundle = self.testbeds["features"], self.fit(STEPS[-1])
        mornings = refreshed(testbed, self.scratch)
        fresh = mornings.outputs(bundle)
        chosen_on = [rung.validation_xauc]
        return [
            self._rung("the last step, totals of a mean day", self._levelled(rung.outputs), chosen_on),
            self._rung("the same, features as of every morning", self._levelled(fresh), chosen_on, mornings),
        ]

    def trees_every_morning(self, rung: Rung) -> Rung:
        """Return the trees' fits with features as of every morning and totals of a mean day, as the networks have them."""
        mornings = refreshed(self.testbeds["features"], self.scratch)
        fresh = self._levelled(mornings.outputs(self.fit_trees()))
        return self._rung(f"{TREES}, served likewise", fresh, [rung.validation_xauc], mornings)

    def _levelled(self, outputs: Mapping[int, Outputs]) -> dict[int, Outputs]:
        """Return outputs as `calibration: {level: all_days}` serves them."""
        longest = self.testbeds["features"].judge_duration_s
        return {seed: replace(of, mean_B=np.minimum(self._level * of.mean_B, longest)) for seed, of in outputs.items()}

    @cached_property
    def _level(self) -> float:
        table = TrainingTable.open(self.testbeds["features"].table)
        labels, day = watch_labels(table, "fit"), watch_labels(table, "validation")
        edges = duration_cuts(labels.duration_s, self.training.calibration.groups)
        return pooled_level(labels.watch_s, labels.duration_s, day.watch_s, day.duration_s, edges)

    def fit(self, step: Step) -> Path:
        """Return the bundle of one step."""
        testbed, recipe = self.testbeds[step.variant], Recipe.model_validate(step.recipe)
        training = self.training.model_copy(update={"learning_rate": step.learning_rate})
        return testbed.fit(f"ladder_{recipe.head.kind}", recipe, training)

    def fit_trees(self) -> Path:
        """Return the bundle of trees on the same rows and columns, set up as the baseline of a night."""
        return self.testbeds["features"].fit("ladder_trees", TreesRecipe())

    def _step(self, step: Step) -> Rung:
        bundle = self.fit(step)
        chosen_on = [float(found["xauc"]) for found in read_json(bundle / "validation.json").values()]
        return self._rung(step.title, self.testbeds[step.variant].outputs(bundle), chosen_on)

    def _blends(self) -> list[Rung]:
        testbed, seeds = self.testbeds["features"], self.training.seeds
        blender, network, trees = (
            Blender(testbed),
            members(testbed, self.fit(STEPS[-1])),
            members(testbed, self.fit_trees()),
        )
        together: dict[str, dict[int, Sequence[Member]]] = {
            f"{TREES} on the same features, alone": {seed: [trees[seed]] for seed in seeds},
            "rank average of both": {seed: [network[seed], trees[seed]] for seed in seeds},
            "the same, all seeds in one model": {seeds[0]: [*network.values(), *trees.values()]},
        }
        rungs = []
        for title, by_seed in together.items():
            found = {
                seed: blender.blend(chosen) if len(chosen) > 1 else blender.alone(chosen[0])
                for seed, chosen in by_seed.items()
            }
            outputs = {seed: blended for seed, (blended, _) in found.items()}
            rungs.append(self._rung(title, outputs, [xauc for _, xauc in found.values()]))
        return rungs

    def _rung(
        self,
        title: str,
        outputs: Mapping[int, Outputs],
        chosen_on: Sequence[float],
        testbed: Testbed | None = None,
    ) -> Rung:
        judged = testbed or self.testbeds["features"]
        return Rung(title, outputs, float(np.mean(chosen_on)), judged.draws(outputs))


def run(options: Options) -> list[Table]:
    """Return the ladder, its upper rungs against the figures to beat, and the ceilings of the order within a user's day."""
    ladder = Ladder(options)
    testbed, rungs = ladder.testbeds["features"], ladder.rungs()
    last = rungs[len(STEPS) - 1]
    served = ladder.served_otherwise(last)
    trees = next(rung for rung in rungs if rung.title.startswith(TREES))
    fresh_trees = ladder.trees_every_morning(trees)
    against = [rungs[1], *ladder.references(), trees]
    return [
        _table(testbed, rungs),
        _served([last, *served, fresh_trees]),
        _beaten(rungs),
        _paired("Against the same references fitted here, XAUC / XGAUC", rungs[2 : len(STEPS)], against),
        _paired("With features as of every morning on both sides, XAUC / XGAUC", served[-1:], [fresh_trees]),
        ceilings(testbed),
    ]


def _table(testbed: Testbed, rungs: Sequence[Rung]) -> Table:
    rows, before = [], None
    for rung in rungs:
        metrics = rung.scored.metrics
        rows.append(
            [
                rung.title,
                f"{rung.validation_xauc:.4f}",
                ranked(metrics["xauc"]),
                "-" if before is None else paired(rung.draws["xauc"], before.draws["xauc"]),
                ranked(metrics["xgauc"]),
                "-" if before is None else paired(rung.draws["xgauc"], before.draws["xgauc"]),
                seconds(metrics["mae"]),
                seconds(metrics["rmse"]),
                f"{metrics['tre_signed'].value:+.3f}",
            ]
        )
        before = rung
    return Table(
        title="What each step gives",
        columns=[
            *("step", "XAUC on 30 April", "XAUC", "gain", "XGAUC", "gain"),
            *("calibrated MAE, s", "RMSE, s", "signed TRE"),
        ],
        rows=rows,
        notes=[
            f"{len(testbed.rows):,} judge rows, 1-4 May, {len(testbed.training.seeds)} fits of every network and of the trees. Mean over "
            "fits ± standard deviation between fits [95 % user-bootstrap interval]. Gain: over the row above, paired by user, "
            "with its 95 % interval.",
            "Chosen on 30 April among what is listed in docs/watch_time.md: the learning rate, the history, the further heads, "
            "the tasks. The calibrators and reference distributions of the averages are of that day too. One model in the last "
            "row: no spread between fits.",
        ],
        numbers={rung.title: rung.scored.model_dump(mode="json") for rung in rungs},
        figure=charts.intervals(
            [(rung.title, xauc.value, xauc.low, xauc.high) for rung in rungs for xauc in [rung.scored.metrics["xauc"]]],
            "XAUC",
            "XAUC of every step with its interval; the line marks the best figure of the reference",
            reference=LIGHTGBM["xauc"],
        ),
    )


def _beaten(rungs: Sequence[Rung]) -> Table:
    rows = []
    for rung in rungs[2:]:
        xauc, xgauc = rung.scored.metrics["xauc"], rung.scored.metrics[ACROSS_DAYS]
        cells = [
            f"{'yes' if xauc.low > to_beat[0] else 'no'} / {'yes' if xgauc.low > to_beat[1] else 'no'}"
            for to_beat in TO_BEAT.values()
        ]
        rows.append([rung.title, *cells])
    return Table(
        title="Against the figures to beat, XAUC / XGAUC across days",
        columns=["step", *(f"{name} ({xauc:.4f} / {xgauc:.4f})" for name, (xauc, xgauc) in TO_BEAT.items())],
        rows=rows,
        notes=["Yes: the whole 95 % interval lies above the reference figure, which was measured on the same rows."],
    )


def _served(rungs: Sequence[Rung]) -> Table:
    rows = []
    for rung in rungs:
        metrics = rung.scored.metrics
        rows.append(
            [
                rung.title,
                ranked(metrics["xauc"]),
                ranked(metrics["xgauc"]),
                ranked(metrics[ACROSS_DAYS]) if ACROSS_DAYS in metrics else "-",
                seconds(metrics["mae"]),
                seconds(metrics["rmse"]),
                _spread(metrics["tre_signed"]),
            ]
        )
    return Table(
        title="The same fits, served otherwise",
        columns=["step", "XAUC", "XGAUC", "XGAUC across days", "calibrated MAE, s", "RMSE, s", "signed TRE"],
        rows=rows,
        notes=[
            "Totals of a mean day: `calibration.level: all_days`, estimated on 25-30 April; it moves the calibrated mean only. "
            "It was added after totals had been seen to be too high on the judge days.",
            "Features as of every morning: a row of 3 May knows what was known before 3 May, as in a night, where the protocol "
            "freezes everything before 1 May. XGAUC compares impressions of one user and one day. Across days it compares those of "
            "different days too, which means something only where features are frozen (docs/methods/metrics.md).",
        ],
        numbers={rung.title: rung.scored.model_dump(mode="json") for rung in rungs},
    )


def _spread(number: Number) -> str:
    return f"{number.value:+.3f} [{number.low:+.3f}, {number.high:+.3f}]"


def _paired(table_title: str, rungs: Sequence[Rung], against: Sequence[Rung]) -> Table:
    def title(rung: Rung) -> str:
        xauc, xgauc = (rung.scored.metrics[metric].value for metric in ("xauc", "xgauc"))
        return f"{rung.title} ({xauc:.4f} / {xgauc:.4f})"

    return Table(
        title=table_title,
        columns=["step", *map(title, against)],
        rows=[
            [
                rung.title,
                *(
                    " / ".join(paired(rung.draws[metric], other.draws[metric]) for metric in ("xauc", "xgauc"))
                    for other in against
                ),
            ]
            for rung in rungs
        ],
        notes=["Differences paired by user with their 95 % intervals, means over fits."],
    )
