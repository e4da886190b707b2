"""A ladder of small fits on the fit days, the law of their losses, and what doubling would save (docs/methods/weekly.md#scaling-law).

The loss is the MAE of the calibrated median on the validation day: a pinball loss, with a floor, in seconds, and the same thing
whatever a fit's own label state or width is. The judge day is not opened.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from tasks.core.days import Days
from tasks.core.document import Document, read_document
from tasks.core.errors import ConfigError
from tasks.core.files import csv_text, hash_value, remove
from tasks.core.manifest import code_hash, models_hash
from tasks.core.temporaries import scratch_folder
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.metrics.point import mae
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.table.build import build_table
from tasks.table.candidate_log import CandidateLog
from tasks.table.training_table import LEARNED, TrainingTable
from tasks.train.calibrate import ValidationRows
from tasks.tune.run import DefaultRecipe
from tasks.tune.space import Candidate, Space
from tasks.tune.study import holding
from tasks.tune.trial import CandidateFits, ignore
from tasks.weekly.config import ScalingReview
from tasks.weekly.law import FittedLaw, Runs, why_no_forecast

WIDTH = "encoder.embedding_dim"
"""Where a recipe says how wide its embeddings are."""
_NAMES = {"days": "fit days", "width": f"of {WIDTH}"}


class MeasuredSize(Document):
    """The runs of one size."""

    loss: Mapping[int, float]
    """seed -> MAE of the calibrated median on the validation day, seconds"""


@dataclass(frozen=True)
class Ladder:
    """Fits of one recipe at growing sizes.

    Attributes:
        default: the recipe as it is, the largest size.
        config: which sizes, with which seeds.
        features: folder that the features stage wrote.
        table: folder that the table stage wrote from it.
        days: the night's.
        scratch: where finished sizes are kept, so that a killed review goes on.
        candidates: those that the source's log marks as not shown; None: it marks none.
    """

    default: DefaultRecipe
    config: ScalingReview
    features: Path
    table: Path
    days: Days
    scratch: Path
    candidates: CandidateLog | None = None

    @property
    def largest(self) -> int:
        """The size of the recipe as it is.

        Raises:
            ConfigError: if the recipe has no such size.
        """
        if self.config.axis == "days":
            return len(self.days.fit)
        width = getattr(self.default.recipe.encoder, "embedding_dim", None)
        if width is None:
            raise ConfigError(f"recipe {self.default.name!r} has no {WIDTH}: review another recipe, or the axis days")
        if self.default.recipe.groups_rows:
            raise ConfigError(
                f"recipe {self.default.name!r} has encoder.widths, which name numbers of it: review the axis days"
            )
        return int(width)

    @property
    def sizes(self) -> tuple[int, ...]:
        """All sizes, ascending: days spread evenly by their logarithm, widths halved."""
        number, largest = self.config.sizes, self.largest
        if self.config.axis == "days":
            return tuple(sorted({round(size) for size in np.geomspace(1, largest, number)}))
        return tuple(sorted({largest >> halved for halved in range(number)} - {0}))

    @cached_property
    def folder(self) -> Path:
        """Where finished sizes are kept; named by everything that they depend on, which the judge day is not among."""
        table, training = TrainingTable.open(self.table), self.default.training.of(self.default.name)
        code = [code_hash("train", "table", "evaluate", "tune", "weekly"), models_hash()]
        settings = [self.default.recipe.model_dump(mode="json"), training.model_dump(mode="json"), self.config.axis]
        return self.scratch / "scaling" / self.default.name / hash_value([table.learned_hashes, code, settings])[:16]

    def climb(self) -> Runs:
        """Fit every size with every seed, or read what an earlier review found.

        Raises:
            TuningError: if another review works on the same ladder.
            TrainingError: if a fit cannot go on.
            ConfigError: if the recipe cannot be built at a size.
        """
        with holding(self.folder, "dwell weekly"):
            loss = {size: self._measured(size) for size in self.sizes}
        runs = [(float(size), loss[size][seed]) for size in self.sizes for seed in self.config.seeds]
        return Runs(*np.array(runs).T)

    def _measured(self, size: int) -> Mapping[int, float]:
        kept = self.folder / f"{size}.json"
        found = read_document(kept, MeasuredSize, "that climbs the ladder").loss if kept.exists() else {}
        missing = [seed for seed in self.config.seeds if seed not in found]
        if missing:
            found = {**found, **self._fitted(size, missing)}
            MeasuredSize(loss=found).write(kept)
        return found

    def _fitted(self, size: int, seeds: list[int]) -> dict[int, float]:
        checkpoints = self.folder / "checkpoints" / str(size)
        with self._table_of(size) as table:
            fits = CandidateFits.open(table, self._candidate(size), "xauc", checkpoints)
            watch_B = ValidationRows.of(fits.problem.table).watch_s
            loss = {seed: mae(watch_B, fits.measure(seed, ignore).median_B).value for seed in seeds}
        remove(checkpoints)
        return loss

    def _candidate(self, size: int) -> Candidate:
        space = Space(self.default.recipe.model_dump(mode="json"), self.default.training.of(self.default.name), ())
        return space.candidate({WIDTH: size} if self.config.axis == "width" else {})

    @contextlib.contextmanager
    def _table_of(self, size: int) -> Iterator[Path]:
        """Yield the table of a size: that of the night, or one of its last fit days, as a night with so few would build it."""
        if self.config.axis == "width" or size == self.largest:
            yield self.table
            return
        folder = scratch_folder(self.scratch, "ladder")
        try:
            days = replace(self.days, fit=self.days.fit[-size:])
            config, candidates = TrainingTable.open(self.table).metadata.config, self.candidates
            build_table(self.features, config, days, folder / "table", splits=LEARNED, candidates=candidates)
            yield folder / "table"
        finally:
            remove(folder)


@dataclass(frozen=True)
class Scaling:
    """What a ladder tells.

    Attributes:
        ladder: the ladder.
        day: validation day.
        fitted: the law.
        doubt: why nothing is forecast; None: something is.
        saved: size -> seconds of MAE saved against the largest size fitted; None: it lies too far.
    """

    ladder: Ladder
    day: str
    fitted: FittedLaw
    doubt: str | None
    saved: Mapping[int, Interval | None]

    @property
    def pays(self) -> bool:
        """Whether the first doubling saves what is asked for, and surely something."""
        first = next(iter(self.saved.values()), None)
        loss = float(self.fitted.law.at(self.fitted.runs.largest)[0])
        return first is not None and first.low > 0 and first.value >= self.ladder.config.worth * loss

    def says(self) -> tuple[str, ...]:
        """Say in a few lines what was found and how far it can be believed."""
        runs, law, name = self.fitted.runs, self.fitted.law, _NAMES[self.ladder.config.axis]
        sizes = ", ".join(f"{size:g}" for size in runs.sizes)
        first = (
            f"{self.ladder.default.name}: MAE of the median on the validation day {self.day}, {len(runs.loss_R)} fits at "
            f"{sizes} {name}"
        )
        if self.doubt is not None:
            return first, f"no forecast: {self.doubt}"
        lines = [
            first,
            f"{law.floor_B[0]:.4f} s + {law.scale_B[0]:.4f} s (size / {law.unit:g})^-{law.exponent_B[0]:.3f}",
        ]
        for size, saved in self.saved.items():
            if saved is None:
                reach = self.ladder.config.reach
                lines.append(
                    f"{size} {name}: refused, {size / law.unit:g} times the largest size and more than {reach:g}"
                )
            else:
                lines.append(
                    f"{size} {name} would save {saved.value:+.4f} s [{saved.low:+.4f}, {saved.high:+.4f}] "
                    f"({self.fitted.level:.0%}, fits redrawn; the day and its users are given)"
                )
        return tuple(lines)

    def to_csv(self) -> str:
        """Return one line per run, with what the law says of its size."""
        runs, law = self.fitted.runs, self.fitted.law
        lines = [
            [f"{size:g}", repr(float(loss)), repr(float(law.at(size)[0]))]
            for size, loss in zip(runs.size_R, runs.loss_R, strict=True)
        ]
        return csv_text([[self.ladder.config.axis, "mae", "law"], *lines])


def scaling(ladder: Ladder, evaluation: EvaluationConfig) -> Scaling:
    """Climb a ladder, fit its law, and forecast what doubling would save as far as that can be said.

    Args:
        ladder: what to fit.
        evaluation: replicates, seed and confidence of intervals.

    Raises:
        TuningError: as `Ladder.climb` does, and its other errors.
    """
    config, runs = ladder.config, ladder.climb()
    fitted = FittedLaw.fit(runs, evaluation.replicates, evaluation.seed, evaluation.confidence)
    doubt, saved = why_no_forecast(fitted, evaluation.replicates, evaluation.seed), dict[int, Interval | None]()
    if doubt is None:
        for factor in (2**doubled for doubled in range(1, config.doublings + 1)):
            size = ladder.largest * factor
            saved[size] = fitted.saved(size) if factor <= config.reach else None
    return Scaling(ladder, TrainingTable.open(ladder.table).validation_day.isoformat(), fitted, doubt, saved)
