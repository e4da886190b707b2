"""Rankers that read vectors of users whom few rows are known of, by what makes these vectors: a student of histories cut short,
the teacher itself, the mean of rich users, an adversary, or a student of permuted teachers.

The rule of the verdict stands in `RULE`, written before anything was run that is recorded. Shapes: B judge rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from benchmarks.parts.protocol import protocol_of
from benchmarks.representation.slices import heading, slices_of
from benchmarks.watchtime.measure import CONFIDENCE, Outputs, draws
from benchmarks.watchtime.testbed import Testbed
from models.recipe import Recipe
from tasks.core.layout import Workspace
from tasks.evaluate.estimate import Draw, difference
from tasks.evaluate.metrics.groups import Groups
from tasks.protocol.config import Protocol
from tasks.protocol.run import ProtocolRun
from tasks.table.training_table import TrainingTable
from tasks.train.trees.config import TreesRecipe

FILE = Path(__file__).resolve().parent / "distillation.yaml"
RECIPE = "network"
PLAIN, TEACHER, MEAN, DISTILLED, PERMUTED = "none", "teacher", "mean of the rich", "distilled", "permuted teachers"
ARMS: Mapping[str, Mapping[str, Any] | None] = {
    PLAIN: None,
    "teacher, read in the fit": {"use": "join"},
    TEACHER: {"kind": "distilled", "by": "none"},
    MEAN: {"kind": "distilled", "by": "mean"},
    "later watches alone": {"kind": "distilled", "weight": 0.0},
    DISTILLED: {"kind": "distilled"},
    "distilled, up to 9 rows": {"kind": "distilled", "sparse": 9},
    PERMUTED: {"kind": "distilled", "permuted": True},
    "adversary (experimental)": {"kind": "distilled", "by": "adversary"},
}
"""Arm -> its pre-training, less who teaches. Under every kind `distilled` no row of the fit reads a vector of a user who is not rich."""
SPARSE, RICH = "1-5", "> 20"
METRICS = {"xauc": ("XAUC", 4), "mae": ("MAE, s", 3), "dce_rel": ("calibration error by duration", 4)}
BAND = (0.7, 1.3)
RULE = (
    f"Rule, set before the run: distillation holds if on users with {SPARSE} fit rows the interval over users of its difference in XAUC to the "
    "teacher's own vectors and to the mean of the rich is above 0, permuted teachers keep less than a fifth of the latter, the variance of its "
    f"predictions is .7 to 1.3 times that under the teacher's vectors, and on users with {RICH} fit rows the interval of its difference to no "
    "vectors is not below 0. It is worth its place for sparse users if its difference to no vectors is above 0 there too."
)
_QUICK = {
    "sources": {"simulator": {"impressions_per_day": 900, "users": 240, "new_users_per_day": 10, "videos": 60}},
    "training": {"max_epochs": 1, "batch_size": 256},
}
_QUICK_ARMS = (PLAIN, TEACHER, MEAN, DISTILLED, PERMUTED, "adversary (experimental)")
_SHORT = {"epochs": 1}


@dataclass(frozen=True, eq=False)
class Measured:
    """One arm on one slice.

    Attributes:
        draws: metric -> one draw per seed.
        spread: variance of the predicted seconds about their mean by duration, mean over seeds.
    """

    draws: Mapping[str, Sequence[Draw]]
    spread: float

    @classmethod
    def of(cls, testbed: Testbed, outputs: Mapping[int, Outputs], index: NDArray[np.int64]) -> "Measured":
        """Measure what the fits of a recipe, by seed, predict for some judge rows."""
        rows, taken = testbed.rows.take(index), {seed: found.take(index) for seed, found in outputs.items()}
        spread = np.mean([spread_within(rows.duration_groups, found.mean_B) for found in taken.values()])
        return cls(draws(rows, taken, testbed.resampler), float(spread))

    def per_seed(self, metric: str) -> list[float]:
        """Return a metric of every seed."""
        return [draw.result.value for draw in self.draws[metric]]

    def over(self, other: "Measured", metric: str = "xauc") -> tuple[float, float, float]:
        """Return the paired difference of the means over seeds, and its interval over users."""
        found = difference(self.draws[metric], other.draws[metric], CONFIDENCE)
        return found.value, found.low, found.high


def spread_within(groups: Groups, predicted_B: NDArray[np.float64]) -> float:
    """Return the mean squared distance of predictions from the mean of their group: what lies between groups does not count."""
    code_B = groups.code_B
    sums, counts = np.bincount(code_B, predicted_B), np.bincount(code_B)
    return float(np.square(predicted_B - (sums / np.maximum(counts, 1))[code_B]).mean())


def run(options: Options) -> list[Table]:
    """Simulate the days and measure every arm."""
    about = (
        "Users have a planted taste of four factors of the videos that stays; the caption vector is a noisy linear image of these, and metric learning "
        "from it teaches. A network of deepfm, which multiplies fields, learns every arm with the same seeds."
    )
    return measured_days(protocol_of(FILE, options, _QUICK), options, "metric", about)


def measured_days(
    protocol: Protocol, options: Options, teacher: str, about: str, data: Path | None = None
) -> list[Table]:
    """Prepare days and measure every arm on them.

    Args:
        protocol: days and the recipe `network`.
        options: how the part is run.
        teacher: kind of the pre-training that teaches.
        about: what a reader must know of the days and the recipe.
        data: path of the source, instead of the protocol's.
    """
    night = ProtocolRun(protocol, Workspace(options.scratch / "night"), data)
    night.prepare()
    (variant,) = protocol.variants
    training, replicates = protocol.params.training_of(RECIPE), 50 if options.quick else 500
    testbed = Testbed(
        night.workspace.features, night.table(variant), night.days, options.scratch / "fits", training, replicates
    )
    taught = {"kind": teacher, **(_SHORT if options.quick else {})}
    return measured(testbed, protocol.params.recipe(RECIPE), arms_of(taught, "valid_play", options.quick), about)


def arms_of(teacher: Mapping[str, Any], watched: str, quick: bool = False) -> dict[str, dict[str, Any] | None]:
    """Return `ARMS` with their teacher.

    Args:
        teacher: a pre-training.
        watched: binary label of a watch.
        quick: fewer arms, one pass of the student.
    """
    found: dict[str, dict[str, Any] | None] = {}
    for arm, asked in ARMS.items():
        if quick and arm not in _QUICK_ARMS:
            continue
        if asked is None:
            found[arm] = None
        elif asked.get("kind") == "distilled":
            found[arm] = {**asked, **(_SHORT if quick else {}), "teacher": teacher, "watched": watched}
        else:
            found[arm] = {**teacher, **asked, "watched": watched}
    return found


def measured(
    testbed: Testbed, plain: Recipe | TreesRecipe, arms: Mapping[str, Mapping[str, Any] | None], about: str
) -> list[Table]:
    """Fit a recipe with every pre-training and the same seeds, and measure it by the fit rows of the user.

    Args:
        testbed: days and settings.
        plain: the recipe without.
        arms: as `arms_of` returns them.
        about: what a reader must know of the days and the recipe.
    """
    slices = slices_of(testbed, TrainingTable.open(testbed.table), "user_id")
    found: dict[str, dict[str, Measured]] = {name: {} for name in slices}
    for number, (arm, pretraining) in enumerate(arms.items()):
        recipe = Recipe.model_validate(plain.model_dump() | {"pretraining": pretraining})
        outputs = testbed.judged(testbed.outputs(testbed.fit(f"arm{number}", recipe)))
        for name, index in slices.items():
            found[name][arm] = Measured.of(testbed, outputs, index)
    first, *others = (_table(name, index.size, found[name]) for name, index in slices.items())
    notes = [*first.notes, verdict(found), RULE, about, _ABOUT]
    return [replace(first, notes=notes), *others]


_ABOUT = (
    "Mean ± sd over fits; 95 % intervals of the paired difference hold the sampling of users. Spread: variance of predicted seconds within "
    "deciles of duration, as a multiple of that under the teacher's own vectors. But for the first two arms, no row of the fit reads a vector "
    "of a user with fewer than 10 fit rows; such vectors are read on later days only."
)


def _table(name: str, rows: int, found: Mapping[str, Measured]) -> Table:
    lines: list[list[str]] = []
    numbers: dict[str, dict[str, Any]] = {}
    for arm, of in found.items():
        spread, over_teacher = of.spread / found[TEACHER].spread, of.over(found[TEACHER])
        cells: list[str] = []
        numbers[arm] = {"spread": spread, "xauc_against_teacher": over_teacher}
        for metric, (_, digits) in METRICS.items():
            values, against = of.per_seed(metric), of.over(found[PLAIN], metric)
            numbers[arm][metric] = {"per_seed": values, "against_none": against}
            cells += [mean_sd(values, digits), "" if arm == PLAIN else _interval(against, digits)]
        cells.insert(2, "" if arm == TEACHER else _interval(over_teacher, 4))
        lines.append([arm, *cells, f"{spread:.2f}"])
    titles = [title for title, _ in METRICS.values()]
    columns = ["arm", titles[0], "against none", "against the teacher's own"]
    columns += [column for title in titles[1:] for column in (title, "against none")] + ["spread"]
    return Table(heading(name, "Users"), columns, lines, [f"{rows:,} judge rows."], numbers)


def _interval(of: tuple[float, float, float], digits: int) -> str:
    value, low, high = (f"{number:+.{digits}f}" for number in of)
    return f"{value} [{low}, {high}]"


def verdict(found: Mapping[str, Mapping[str, Measured]]) -> str:
    """Return what `RULE` says of distillation, condition by condition."""
    few, many = found[SPARSE], found[RICH]
    gain, low, _ = few[DISTILLED].over(few[MEAN])
    ratio = few[DISTILLED].spread / few[TEACHER].spread
    holds = {
        "above the teacher's own": few[DISTILLED].over(few[TEACHER])[1] > 0,
        "above the mean of the rich": low > 0,
        "permuted teachers keep less than a fifth": few[PERMUTED].over(few[MEAN])[0] < gain / 5,
        f"spread {ratio:.2f} inside the band": BAND[0] <= ratio <= BAND[1],
        "no loss for rich users": many[DISTILLED].over(many[PLAIN])[2] >= 0,
        "above no vectors": few[DISTILLED].over(few[PLAIN])[1] > 0,
    }
    said = "; ".join(f"{what}: {'yes' if is_so else 'no'}" for what, is_so in holds.items())
    return f"Verdict on users with {SPARSE} fit rows: {said}."
