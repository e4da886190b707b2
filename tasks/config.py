"""`params.yaml`, parsed once into frozen, typed settings.

It says how nights are run and is edited by people; `run.yaml` beside it (`tasks.core.run_key`) is the key of one night
and is written by `dwell`. DVC reads both, so a stage's lock entry names the values it was run with.
"""

import datetime as dt
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

from pydantic import Field, StringConstraints

from models.ranges import Number, Threads, Whole, WindowDays
from tasks.baselines.config import BaselineConfig, BaselineName
from tasks.candidates.config import CandidatesConfig, GacnConfig, MetricConfig, ProposerConfig, SetRecConfig
from tasks.core.arithmetic import DEFAULT, Arithmetic
from tasks.core.cluster import HERE, ClusterConfig
from tasks.core.days import Days
from tasks.core.errors import ConfigError
from tasks.core.files import hash_file, hash_value, unfinished, write_text
from tasks.core.layout import Workspace
from tasks.core.manifest import product_hash
from tasks.core.names import Name
from tasks.core.remembered import once
from tasks.core.settings import Block, Day
from tasks.core.yaml_config import Problem, nearest, parse, problems_of, refuse, valid_part
from tasks.core.yaml_file import Keys, Place, read_yaml
from tasks.ensemble.config import EnsembleConfig
from tasks.evaluate.config import EvaluationConfig
from tasks.features.config import FeatureConfig
from tasks.gate.config import GatePolicy
from tasks.ingest.config import SourceConfig, TableSourceConfig
from tasks.report.config import ReportConfig
from tasks.score.config import ScoreConfig
from tasks.table.config import TableConfig
from tasks.table.items.config import NoItems
from tasks.table.selection.config import NoSelection
from tasks.train.config import TrainingBlock, TrainingConfig
from tasks.train.recipe_types import is_trees, recipe_problems, recipe_type
from tasks.tune.config import TuningConfig
from tasks.validate.config import ValidationConfig
from tasks.weekly.config import ReviewConfig

if TYPE_CHECKING:
    from tasks.train.recipe_types import AnyRecipe

Part = TypeVar("Part")
FILE = "params.yaml"

Wrong = tuple[Keys, str]
"""Keys of something wrong, and what is wrong with it."""


Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3)]


class Window(Block):
    """Which days a night reads. Night T fits on [T - fit_days - 1, T-2], calibrates on T-1, judges on T."""

    fit_days: Whole = Field(default=6, ge=2, le=366)
    """days in the fit window (W - 1: the window [T-W, T-2] with W = 7 has six)"""
    lookback_days: WindowDays = 7
    """days of history before a row's day that its features may use"""
    accepted_gaps: dict[Day, Reason] = Field(default_factory=dict)
    """days that are lost for good, in quotes, with the reason: {"2026-01-10": collector outage}. They count as days
    without rows, and the report says so; a night cannot be validated or judged on one"""

    def days(self, as_of: dt.date) -> Days:
        """Return the roles of the days of night `as_of`.

        Raises:
            ConfigError: if an accepted gap is a day that the night cannot do without.
        """
        return Days.of_night(as_of, self.fit_days, self.lookback_days).without(self.accepted_gaps)


class Nightly(Block):
    """What a night runs."""

    recipes: tuple[Name, ...] = Field(min_length=1)
    """challengers, names of `recipes`; the order breaks ties"""
    ensembles: tuple[Name, ...] = ()
    """further challengers, names of `ensembles`, whose members stand under `recipes` above"""
    proposers: tuple[Name, ...] = ()
    """what proposes videos to users, names of `proposers`: each is fitted and measured; none: there is no stage `candidates`"""
    stage_timeout_minutes: Number = Field(default=120, gt=0, le=10_080)
    """a stage that runs longer is killed with everything it started"""
    stage_retries: Whole = Field(default=1, ge=0, le=20)
    """how often a failed stage is tried again; errors in the data or the configuration are not retried"""
    parallel_stages: Threads = 1
    """how many independent stages may run at the same time on this machine"""
    arithmetic: Arithmetic = DEFAULT
    """instructions of the CPU that models are computed with: avx2 gives the same bytes on every x86-64 machine that has
    them, portable also asks the matrix library for code that any of them runs (a fifth slower), native is what each offers"""
    keep_nights: Whole = Field(default=14, ge=1, le=10_000)
    """archived nights to keep of each source: when a night has ended, what only older ones need is removed (`dwell clean`)"""
    site_url: str | None = Field(default=None, pattern=r"^https?://[^\s\"'<>]+$")
    """where a web server shows the folder `site`, such as http://dwell.internal: every night then writes it, and links to it"""
    site_nights: Whole = Field(default=90, ge=1, le=10_000)
    """nights of each source that the site shows"""

    lineage: bool = False
    """every night tells what it read and made, table by table and column by column, as OpenLineage events: in
    `.dwell/lineage/SOURCE/AS_OF.jsonl`, and to the server that OPENLINEAGE_URL names (extra `lineage`)"""
    mlflow: bool = False
    """every night is mirrored to the MLflow server that MLFLOW_TRACKING_URI names: a run, model versions, aliases
    (`dwell mlflow`)"""

    @property
    def challengers(self) -> tuple[str, ...]:
        """Every model that is judged: recipes, then ensembles."""
        return (*self.recipes, *self.ensembles)


class Params(Block):
    """The whole of `params.yaml`."""

    default_source: Name
    """which of `sources` a run reads unless it names another"""
    sources: dict[Name, SourceConfig]
    """named data sources"""
    window: Window = Window()
    nightly: Nightly
    validation: ValidationConfig = ValidationConfig()
    features: FeatureConfig = FeatureConfig()
    cluster: ClusterConfig = HERE
    """where days are read, validated, described and encoded, and pairs scored: in this process, by workers of this machine, or on a cluster at an address"""
    table: TableConfig = TableConfig()
    recipes: dict[Name, dict[str, Any]]
    """models by name; each is a composition of components (`dwell schema --part recipe` prints what is possible)"""
    ensembles: dict[Name, EnsembleConfig] = Field(default_factory=dict)
    """ensembles by name; they share the names of recipes"""
    training: TrainingBlock = TrainingBlock()
    tuning: TuningConfig = TuningConfig()
    baselines: BaselineConfig = BaselineConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    gate: GatePolicy = GatePolicy()
    candidates: CandidatesConfig = CandidatesConfig()
    proposers: dict[Name, ProposerConfig] = Field(default_factory=dict)
    """what proposes videos by name; `nightly.proposers` says which a night fits, `score.proposer` whose proposals are scored"""
    score: ScoreConfig = ScoreConfig()
    report: ReportConfig = ReportConfig()
    weekly: dict[Name, ReviewConfig] = Field(default_factory=dict)
    """what `dwell weekly` looks into, by name; each review may propose a change of this file, and changes nothing"""

    def recipe(self, name: str) -> "AnyRecipe":
        """Return one recipe, of a network or of trees, fully checked.

        Raises:
            ConfigError: if there is no such recipe, or one of its keys or values is wrong.
        """
        written = _named("recipe", name, self.recipes)
        return parse(recipe_type(written), written, Place(FILE, ("recipes", name)))

    def ensemble(self, name: str) -> EnsembleConfig:
        """Return one ensemble.

        Raises:
            ConfigError: if there is no such ensemble.
        """
        return _named("ensemble", name, self.ensembles)

    def proposer(self, name: str) -> ProposerConfig:
        """Return one proposer.

        Raises:
            ConfigError: if there is no such proposer.
        """
        return _named("proposer", name, self.proposers)

    def training_of(self, recipe: str) -> TrainingConfig:
        """Return the training settings of one recipe: those of all, but for what `training.by_recipe` says."""
        return self.training.of(recipe)

    def named_source(self, name: str) -> SourceConfig:
        """Return one source.

        Raises:
            ConfigError: if there is no such source.
        """
        return _named("source", name, self.sources)

    def source_at(self, name: str, path: Path | None) -> SourceConfig:
        """Return one source, reading from another path than params.yaml says; None: from that.

        Raises:
            ConfigError: if there is no such source, or it is of a kind that reads no data.
        """
        source = self.named_source(name)
        if path is None:
            return source
        if "path" not in type(source).model_fields:
            raise ConfigError(
                f"source {name!r} is of kind {source.kind} and reads no data: leave out the data path {path}"
            )
        return source.model_copy(update={"path": str(path)})

    def check(self, place: Place) -> None:
        """Check what only the whole can tell: names that must exist, every recipe and every ensemble.

        Args:
            place: of the block.

        Raises:
            ConfigError: one line per problem.
        """
        wrong = [*self.problems(place), *recipe_problems(self.recipes, place)]
        refuse(wrong or [Problem(place.below(*keys), message) for keys, message in self._not_fitted_so()])

    def problems(self, place: Place) -> list[Problem]:
        """Return everything that `check` refuses, but for what is wrong inside recipes."""
        found = [
            *self._twice(),
            *self._patterns(),
            *self._unknown(("default_source",), "source", [self.default_source], self.sources),
            *self._unknown(("nightly", "recipes"), "recipe", self.nightly.recipes, self.recipes),
            *self._unknown(("nightly", "ensembles"), "ensemble", self.nightly.ensembles, self.ensembles),
            *self._unknown(("nightly", "proposers"), "proposer", self.nightly.proposers, self.proposers),
            *self._unknown(("training", "by_recipe"), "recipe", self.training.by_recipe, self.recipes),
            *self._unknown(
                ("gate", "trivial_baselines"),
                "or disabled baseline",
                self.gate.trivial_baselines,
                self.baselines.enabled,
            ),
            *self._not_for_trees(),
            *self._taken(),
            *self._not_fitted(),
            *self._not_proposed(),
            *self._not_reviewed(),
            *(
                (("window", "lookback_days"), f"features.{said}")
                for said in self.features.too_long(self.window.lookback_days)
            ),
        ]
        if not self.features.content:
            left_out = "reads the content of videos, which features leave out: set features.content: true"
            found += [(keys, left_out) for keys in self._reading_content()]
        for name in self.nightly.recipes:
            asked = self.recipes.get(name, {}).get("traits", ())
            if isinstance(asked, list):  # else the recipe itself is refused
                found += self._unknown(("recipes", name, "traits"), "trait of table.traits", asked, self.table.traits)
        for name, ensemble in self.ensembles.items():
            found += self._unknown(("ensembles", name, "members"), "recipe", ensemble.members, self.recipes)
        return [Problem(place.below(*keys), message) for keys, message in found]

    def _reading_content(self) -> Iterator[Keys]:
        """Yield where what reads the content of videos is asked for."""
        if not isinstance(self.table.items, NoItems) and self.table.items.vectors.kind == "content":
            yield "table", "items"
        for name, proposer in self.proposers.items():
            if isinstance(proposer, GacnConfig | MetricConfig | SetRecConfig):
                yield "proposers", name
        for name, written in self.recipes.items():
            place: Keys = ("recipes", name, "pretraining")
            pretraining = written.get("pretraining")
            while isinstance(pretraining, dict):  # a student reads what its teacher does
                if pretraining.get("kind") in ("metric", "gacn"):
                    yield place
                place, pretraining = (*place, "teacher"), pretraining.get("teacher")

    def _not_fitted_so(self) -> Iterator[Wrong]:
        """Yield recipes of nights that cannot be fitted by as many processes, or on selected rows, as they are to be."""
        processes, selects = self.training.processes, not isinstance(self.table.selection, NoSelection)
        if processes == 1 and not selects:
            return
        from models.recipe import Recipe
        from tasks.train import divided, unweighed

        for name in self.nightly.recipes:
            recipe = self.recipe(name)
            if not isinstance(recipe, Recipe):
                continue
            if processes > 1 and (parts := divided.undivided(recipe)):
                yield ("training", "processes"), divided.message(name, parts, processes)
            if selects and (parts := unweighed.unweighed(recipe)):
                yield ("table", "selection"), unweighed.message(f"recipe {name!r}", parts)

    @staticmethod
    def _unknown(place: tuple[str, ...], what: str, names: Iterable[str], known: Iterable[str]) -> Iterator[Wrong]:
        known = tuple(known)
        for name in names:
            if name not in known:
                yield place, f"unknown {what} {name!r}{nearest(name, known)}"

    def _twice(self) -> Iterator[Wrong]:
        """Yield names that stand twice in a list, which would be two stages of one name."""
        for keys, names in (
            (("nightly", "recipes"), self.nightly.recipes),
            (("nightly", "ensembles"), self.nightly.ensembles),
            (("nightly", "proposers"), self.nightly.proposers),
            (("baselines", "enabled"), self.baselines.enabled),
        ):
            for name in sorted({name for name in names if names.count(name) > 1}):
                yield keys, f"{name!r} stands twice: keep one"

    def _patterns(self) -> Iterator[Wrong]:
        """Yield columns of files whose names Polars would take for a pattern that stands for several columns."""
        for source, config in self.sources.items():
            if isinstance(config, TableSourceConfig):
                for keys, name in config.patterns():
                    yield ("sources", source, *keys), f"{name!r} would name several columns: rename it"

    def _not_for_trees(self) -> Iterator[Wrong]:
        """Yield training settings of recipes that have no epochs and no step size."""
        for name in self.training.by_recipe:
            if is_trees(self.recipes.get(name)):
                yield (
                    ("training", "by_recipe", name),
                    f"recipe {name!r} is of trees, which these settings do not reach: set those of recipes.{name}",
                )

    def _taken(self) -> Iterator[Wrong]:
        """Yield names that stand for two things: all models are judged beside each other."""
        for block in ("recipes", "ensembles"):
            for name in getattr(self, block):
                if name in get_args(BaselineName):
                    yield (block, name), "a baseline has that name too; give it another"
        for name in self.ensembles:
            if name in self.recipes:
                yield ("ensembles", name), "a recipe has that name too; give one of them another"

    def _not_fitted(self) -> Iterator[Wrong]:
        """Yield members of a night's ensembles that the night does not fit."""
        for name in self.nightly.ensembles:
            for member in self.ensembles[name].members if name in self.ensembles else ():
                if member not in self.nightly.recipes:
                    yield (
                        ("nightly", "ensembles"),
                        f"{name!r} needs its member {member!r} fitted the same night: add it to nightly.recipes",
                    )

    def _not_proposed(self) -> Iterator[Wrong]:
        """Yield what of the score reads proposals that the night does not make."""
        name = self.score.proposer
        if name is None:
            return
        if name not in self.nightly.proposers:
            yield ("score", "proposer"), f"{name!r} proposes nothing that night: add it to nightly.proposers"
        if self.score.top_k > self.candidates.length:
            yield (
                ("score", "top_k"),
                f"lists of {self.score.top_k} videos cannot be made of {self.candidates.length} proposals: raise candidates.length",
            )

    def _not_reviewed(self) -> Iterator[Wrong]:
        """Yield reviews of a week that have nothing to look at."""
        networks = [name for name, written in self.recipes.items() if not is_trees(written)]
        keeps_codes = not isinstance(self.table.items, NoItems) and self.table.items.until is not None
        for name, review in self.weekly.items():
            for keys, message in review.problems(self.recipes, networks, keeps_codes=keeps_codes):
                yield ("weekly", name, *keys), message


def write_params(path: Path, text: str) -> None:
    """Replace `params.yaml` by a text that is valid.

    Raises:
        ConfigError: as `load_params` says of the text; the file then is as it was.
    """
    check_params(path, text)
    write_text(path, text, durable=True)


def check_params(path: Path, text: str) -> None:
    """Check a text that may come to stand in the place of `params.yaml`, and leave the file as it is; errors as above."""
    with unfinished(path) as folder:
        (folder / path.name).write_text(text, encoding="utf-8")
        load_params(folder / path.name)


def load_params(path: Path) -> Params:
    """Read and check `params.yaml`, every recipe and every name in it: what is wrong is refused wherever it is read.

    Checking recipes imports all of `models/`, which takes seconds; it is left out where the last check passed on the same
    file with the same code.

    Raises:
        ConfigError: one line per problem: the file, the line, the key, what is wrong and the nearest key that exists.
    """
    file = read_yaml(path)
    if problems := problems_of(Params, file.value, file.place):
        recipes = file.value.get("recipes")
        further = recipe_problems(recipes, file.place) if isinstance(recipes, dict) else []
        rest = valid_part(Params, file.value)
        refuse([*problems, *further, *(rest.problems(file.place) if rest else [])])
    params = Params.model_validate(file.value)
    refuse(_written_sources(params, Workspace(path.parent), file.place))
    key = hash_value([hash_file(path), path.name, product_hash(), version("pydantic"), sys.version])
    once(Workspace(path.parent).scratch / "params.checked", key, lambda: params.check(file.place))
    return params


def _named(what: str, name: str, known: Mapping[str, Part]) -> Part:
    """Return the part of the file that a name stands for.

    Raises:
        ConfigError: if there is none.
    """
    if name not in known:
        raise ConfigError(f"{FILE}: unknown {what} {name!r}{nearest(name, known)}")
    return known[name]


def _written_sources(params: Params, workspace: Workspace, place: Place) -> Iterator[Problem]:
    for name, source in params.sources.items():
        path: str | None = getattr(source, "path", None)
        if path is not None and (reason := workspace.why_no_source(Path(path))):
            yield Problem(place.below("sources", name, "path"), reason)
