"""Widths of a recipe's embeddings by field and group of rows: searched on the fit days, retrained, and judged on the validation day
(docs/methods/weekly.md#fewer-numbers-for-rare-rows).

Three kinds of days: on all fit days but the last weights learn, on the last one factors, and the validation day, which taught the
search nothing, judges fits from scratch on all fit days. The judge day is not opened.

Shapes: C classes (a group of a field each, class 0 the rest), D embedding width.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.encoders.grouped import FieldWidths
from models.recipe import Recipe
from tasks.core.days import Days
from tasks.core.document import Document, read_document
from tasks.core.errors import ConfigError
from tasks.core.files import csv_text, hash_value, remove
from tasks.core.manifest import code_hash, models_hash
from tasks.core.temporaries import scratch_folder
from tasks.table.build import build_table
from tasks.table.candidate_log import CandidateLog
from tasks.table.training_table import LEARNED, TrainingTable
from tasks.train.config import TrainingConfig
from tasks.train.problem import open_problem
from tasks.train.row_use import reads_per_day
from tasks.tune.config import TuningConfig
from tasks.tune.confirm import FreshFits
from tasks.tune.result import Gain
from tasks.tune.run import DefaultRecipe
from tasks.tune.space import Candidate
from tasks.tune.study import holding
from tasks.weekly.config import WidthsReview
from tasks.weekly.soft_selection import SoftSelection, class_rows, cut, grouped_recipe, narrowed, select, whole_groups

FILE = "embedding_widths.json"
Floats = NDArray[np.float64]


class GroupWidth(Document):
    """One group of one field."""

    field: str
    reads_from: float
    """Reads per fit day from which on a row belongs to it."""
    rows: int
    width: int
    kept: tuple[int, ...]
    """Numbers of the embedding, of which there are `width`."""


class EmbeddingWidths(Document):
    """`embedding_widths.json`: what a search kept of the embeddings of grouped fields."""

    run: str
    """Hash of all that the search read."""
    score: str
    """What numbers were kept by."""
    tau: float
    """Those above it."""
    dropped: float
    """Share of the numbers of grouped rows that are 0 at every step of a fit, and are not stored."""
    groups: tuple[GroupWidth, ...]


class _Selected(Document):
    """A finished search, as `SoftSelection` has it."""

    alpha: tuple[tuple[float, ...], ...]
    absorbed: tuple[tuple[float, ...], ...]
    magnitude: tuple[tuple[float, ...], ...]

    def found(self) -> SoftSelection:
        """Return it."""
        return SoftSelection(*(np.array(part) for part in (self.alpha, self.absorbed, self.magnitude)))


@dataclass(frozen=True)
class NightFolders:
    """What a review of widths reads of a night.

    Attributes:
        features: folder of the features stage.
        table: folder of the table stage.
        days: roles of the days.
        scratch: below which finished parts are kept, so that a killed review goes on.
        candidates: those that the source's log marks as not shown; None: it marks none.
    """

    features: Path
    table: Path
    days: Days
    scratch: Path
    candidates: CandidateLog | None = None


@dataclass(frozen=True)
class WidthSearch:
    """A recipe on the days of a night.

    Attributes:
        recipe: as it is; groups that it has are left out.
        training: how it is fitted.
        config: groups and search.
        night: what is looked at.
        folder: where a finished search is kept.
    """

    recipe: Recipe
    training: TrainingConfig
    config: WidthsReview
    night: NightFolders
    folder: Path

    @cached_property
    def _table(self) -> TrainingTable:
        return TrainingTable.open(self.night.table)

    @property
    def width(self) -> int:
        """D."""
        return int(self.recipe.encoder.model_dump()["embedding_dim"])

    @cached_property
    def groups(self) -> dict[str, FieldWidths]:
        """Groups of rows by field, each whole.

        Raises:
            ConfigError: if no field has rows enough.
        """
        schema = self._table.schema
        found = whole_groups(schema, reads_per_day(self._table), self.width, self.config)
        if not found:
            most = max(rows for _, rows in schema.fields)
            raise ConfigError(f"no field has {self.config.least_rows} rows, the largest has {most}: lower least_rows")
        return found

    @cached_property
    def class_rows(self) -> NDArray[np.int64]:
        """[C] rows of every class in the night's table."""
        return class_rows(self._table.schema, self.groups, reads_per_day(self._table))

    def select(self, reads: Callable[[TrainingTable], Floats] = reads_per_day) -> SoftSelection:
        """Search, or read what an earlier review found.

        Args:
            reads: says how often a fit day reads every row of the search's table, by which rows are grouped.

        Raises:
            ConfigError: if there is no day for the factors, or the encoder has no groups.
            TrainingError: if the fit cannot go on.
        """
        kept = self.folder / "selected.json"
        if not kept.is_file():
            found = self._search(reads)
            rows = (found.alpha_CD, found.absorbed_CD, found.magnitude_CD)
            _Selected(**dict(zip(_Selected.model_fields, (part.tolist() for part in rows), strict=True))).write(kept)
        return read_document(kept, _Selected, "that searches widths").found()

    def _search(self, reads: Callable[[TrainingTable], Floats]) -> SoftSelection:
        night, folder = self.night, scratch_folder(self.folder, "search")
        if len(night.days.fit) < 2:
            raise ConfigError("weights and factors need a fit day each: raise window.fit_days")
        days = replace(night.days, fit=night.days.fit[:-1], validation=night.days.fit[-1])
        config = self._table.metadata.config
        try:
            build_table(night.features, config, days, folder / "table", splits=LEARNED, candidates=night.candidates)
            table = TrainingTable.open(folder / "table")
            problem = replace(open_problem(table, grouped_recipe(self.recipe, self.groups)), reads=reads(table))
            return select(problem, self.training, self.config, folder / "checkpoints", self.config.seed)
        finally:
            remove(folder)

    def widths(self, found: SoftSelection, score: str) -> tuple[dict[str, FieldWidths], float]:
        """Return the groups with what each keeps by a score, and the score above which it does."""
        kept_CD, tau = cut(found.score(score), self.class_rows, self.config.keep)
        return narrowed(self.groups, self._table.schema, kept_CD), tau

    def described(self, widths: Mapping[str, FieldWidths], tau: float) -> EmbeddingWidths:
        """Return the file that says what was kept."""
        rows = iter(self.class_rows[1:].tolist())
        groups = tuple(
            GroupWidth(field=field, reads_from=begin, rows=next(rows), width=len(kept), kept=kept)
            for field, one in widths.items()
            for begin, kept in zip((0.0, *one.bounds), one.kept, strict=True)
        )
        dropped = 1 - sum(group.rows * group.width for group in groups) / (int(self.class_rows[1:].sum()) * self.width)
        return EmbeddingWidths(run=self.folder.name, score=self.config.score, tau=tau, dropped=dropped, groups=groups)


@dataclass(frozen=True)
class FoundWidths:
    """What a review of widths found.

    Attributes:
        name: of the recipe.
        day: validation day.
        widths: what the recipe would keep.
        file: the same as `embedding_widths.json`.
        magnitude: what it would keep by weights alone, in as many numbers.
        against_whole: fits with the widths against those of the recipe with all numbers.
        against_magnitude: against fits with those of `magnitude`.
    """

    name: str
    day: str
    widths: Mapping[str, FieldWidths]
    file: EmbeddingWidths
    magnitude: Mapping[str, FieldWidths]
    against_whole: Gain
    against_magnitude: Gain

    @property
    def pays(self) -> bool:
        """Whether the search earned something over plain magnitudes, and the recipe is not surely worse than it is whole."""
        return self.against_magnitude.difference.low > 0 and self.against_whole.difference.high >= 0

    def says(self) -> tuple[str, ...]:
        """Say in a few lines what was found and how far it can be believed."""
        return (
            f"{self.name}: {self.file.dropped:.1%} of the embedding numbers of grouped rows left out by {self.file.score}",
            f"against the recipe with all numbers: {self.against_whole}",
            f"against as many numbers by magnitude: {self.against_magnitude}",
            f"judged on the validation day {self.day}, which taught the search nothing",
        )

    def to_csv(self) -> str:
        """Return one line per group: field, reads from which on, rows, width by the search and by magnitude."""
        by_magnitude = [len(kept) for one in self.magnitude.values() for kept in one.kept]
        lines = [
            [group.field, f"{group.reads_from:g}", group.rows, group.width, other]
            for group, other in zip(self.file.groups, by_magnitude, strict=True)
        ]
        return csv_text([["field", "reads_from", "rows", "width", "width_by_magnitude"], *lines])


def widths(
    default: DefaultRecipe,
    config: WidthsReview,
    tuning: TuningConfig,
    night: NightFolders,
) -> FoundWidths:
    """Search widths, retrain with them from scratch and compare with the recipe with all numbers, and with plain magnitudes.

    Args:
        default: the recipe as it is.
        config: the review.
        tuning: its metric and confirmation seeds are those of the comparison.
        night: what is looked at.

    Raises:
        ConfigError: if the recipe, or the window, has nothing to search.
        TuningError: if another review works on the same search.
        TrainingError: if a fit cannot go on.
    """
    recipe, training = grouped_recipe(default.recipe, {}), default.training.of(default.name)
    opened = TrainingTable.open(night.table)
    code = [code_hash("train", "table", "evaluate", "tune", "weekly"), models_hash()]
    settings = [recipe.model_dump(mode="json"), training.model_dump(mode="json"), config.model_dump(mode="json")]
    key = hash_value([opened.learned_hashes, code, settings, tuning.metric])[:16]
    folder = night.scratch / "widths" / default.name / key
    search = WidthSearch(recipe, training, config, night, folder)
    with holding(folder, "dwell weekly"):
        found = search.select()
        kept, tau = search.widths(found, config.score)
        magnitude, _ = search.widths(found, "magnitude")
        fresh = FreshFits(night.table, folder / "fits", tuning.metric, tuning.confirmation_seeds)
        arms = {"whole": recipe, "widths": grouped_recipe(recipe, kept), "magnitude": grouped_recipe(recipe, magnitude)}
        scores = {name: fresh.scores(name, Candidate(arm, training)) for name, arm in arms.items()}
        gains = [fresh.compare(scores["widths"], scores[name], default.evaluation) for name in ("whole", "magnitude")]
    day = opened.validation_day.isoformat()
    return FoundWidths(default.name, day, kept, search.described(kept, tau), magnitude, *gains)
