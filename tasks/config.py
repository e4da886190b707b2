"""`params.yaml`, parsed once into frozen, typed settings.

It says how nights are run and is edited by people; `run.yaml` beside it (`tasks.core.run_key`) is the key of one night
and is written by `dwell`. DVC reads both, so a stage's lock entry names the values it was run with.
"""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, TypeAdapter

from tasks.baselines.config import BaselineConfig
from tasks.core.days import Days
from tasks.core.errors import ConfigError
from tasks.core.settings import Block
from tasks.core.yaml_config import nearest, parse, read_yaml
from tasks.ensemble.config import EnsembleConfig
from tasks.evaluate.config import EvaluationConfig
from tasks.features.config import ClusterConfig, FeatureConfig, NoCluster
from tasks.gate.config import GatePolicy
from tasks.ingest.config import SourceConfig
from tasks.report.config import ReportConfig
from tasks.score.config import ScoreConfig
from tasks.table.config import TableConfig
from tasks.train.config import TrainingBlock, TrainingConfig
from tasks.tune.config import TuningConfig
from tasks.validate.config import ValidationConfig

if TYPE_CHECKING:
    from models.recipe import Recipe


class Window(Block):
    """Which days a night reads. Night T fits on [T - fit_days - 1, T-2], calibrates on T-1, judges on T."""

    fit_days: int = Field(default=6, ge=2)
    """days in the fit window (W - 1: the window [T-W, T-2] with W = 7 has six)"""
    lookback_days: int = Field(default=7, ge=1)
    """days of history before a row's day that its features may use"""

    def days(self, as_of: dt.date) -> Days:
        """Return the roles of the days of night `as_of`."""
        return Days.of_night(as_of, self.fit_days, self.lookback_days)


class Nightly(Block):
    """What a night runs."""

    recipes: tuple[str, ...] = Field(min_length=1)
    """challengers, names of `recipes`; the order breaks ties"""
    ensembles: tuple[str, ...] = ()
    """further challengers, names of `ensembles`, whose members stand under `recipes` above"""
    stage_timeout_minutes: float = Field(default=120, gt=0)
    """a stage that runs longer is killed with everything it started"""
    stage_retries: int = Field(default=1, ge=0)
    """how often a failed stage is tried again; errors in the data or the configuration are not retried"""
    parallel_stages: int = Field(default=1, ge=1)
    """how many independent stages may run at the same time on this machine"""

    @property
    def challengers(self) -> tuple[str, ...]:
        """Every model that is judged: recipes, then ensembles."""
        return (*self.recipes, *self.ensembles)


class Params(Block):
    """The whole of `params.yaml`."""

    default_source: str
    """which of `sources` a run reads unless it names another"""
    sources: dict[str, SourceConfig]
    """named data sources"""
    window: Window = Window()
    nightly: Nightly
    validation: ValidationConfig = ValidationConfig()
    features: FeatureConfig = FeatureConfig()
    cluster: ClusterConfig = NoCluster()
    table: TableConfig = TableConfig()
    recipes: dict[str, dict[str, Any]]
    """models by name; each is a composition of components (`dwell schema --part recipe` prints what is possible)"""
    ensembles: dict[str, EnsembleConfig] = Field(default_factory=dict)
    """ensembles by name; they share the names of recipes"""
    training: TrainingBlock = TrainingBlock()
    tuning: TuningConfig = TuningConfig()
    baselines: BaselineConfig = BaselineConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    gate: GatePolicy = GatePolicy()
    score: ScoreConfig = ScoreConfig()
    report: ReportConfig = ReportConfig()

    def recipe(self, name: str) -> "Recipe":
        """Return one recipe, fully checked.

        Raises:
            ConfigError: if there is no such recipe, or one of its keys or values is wrong.
        """
        from models.recipe import Recipe  # imports torch, which most stages do not need

        if name not in self.recipes:
            raise ConfigError(f"params.yaml: unknown recipe {name!r}{nearest(name, self.recipes)}")
        return parse(Recipe, self.recipes[name], "params.yaml", ("recipes", name))

    def ensemble(self, name: str) -> EnsembleConfig:
        """Return one ensemble, its members checked.

        Raises:
            ConfigError: if there is no such ensemble, a recipe has its name, or a member is no recipe.
        """
        if name not in self.ensembles:
            raise ConfigError(f"params.yaml: unknown ensemble {name!r}{nearest(name, self.ensembles)}")
        if name in self.recipes:
            raise ConfigError(f"params.yaml: ensembles.{name}: a recipe has that name too; give one of them another")
        for member in self.ensembles[name].members:
            if member not in self.recipes:
                raise ConfigError(
                    f"params.yaml: ensembles.{name}.members: unknown recipe {member!r}{nearest(member, self.recipes)}"
                )
        return self.ensembles[name]

    def training_of(self, recipe: str) -> TrainingConfig:
        """Return the training settings of one recipe: those of all, but for what `training.by_recipe` says."""
        return self.training.of(recipe)

    def named_source(self, name: str) -> SourceConfig:
        """Return one source.

        Raises:
            ConfigError: if there is no such source.
        """
        if name not in self.sources:
            raise ConfigError(f"params.yaml: unknown source {name!r}{nearest(name, self.sources)}")
        return self.sources[name]

    def check(self) -> None:
        """Check what only the whole can tell: names that must exist, every recipe and every ensemble.

        Raises:
            ConfigError: at the first name that does not exist, recipe that does not parse or ensemble that lacks a member.
        """
        self.named_source(self.default_source)
        for name in (*self.nightly.recipes, *self.recipes):
            self.recipe(name)
        for name in (*self.nightly.ensembles, *self.ensembles):
            self.ensemble(name)
        for name in self.nightly.ensembles:
            for member in self.ensembles[name].members:
                if member not in self.nightly.recipes:
                    raise ConfigError(
                        f"params.yaml: nightly.ensembles: {name!r} needs its member {member!r} fitted the same night: add it "
                        "to nightly.recipes"
                    )
        for name in self.training.by_recipe:
            if name not in self.recipes:
                raise ConfigError(
                    f"params.yaml: training.by_recipe: unknown recipe {name!r}{nearest(name, self.recipes)}"
                )


def load_params(path: Path) -> Params:
    """Read and check `params.yaml`.

    Raises:
        ConfigError: naming the file, the key, what is wrong and the nearest key that exists.
    """
    return parse(Params, read_yaml(path), path.name)


def json_schema(part: str = "params") -> dict[str, Any]:
    """Return the JSON schema of params.yaml, or of one recipe (part "recipe")."""
    if part == "recipe":
        from models.recipe import Recipe

        return TypeAdapter(Recipe).json_schema()
    return Params.model_json_schema()
