"""A recipe: one choice for every part of a ranker. A few lines of configuration make a challenger."""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.adversary import AdversaryConfig, fit_durations
from models.backbones import BACKBONES, BackboneConfig
from models.balance import BALANCES, BalanceConfig
from models.component import default_of
from models.compression import COMPRESSIONS, CompressionConfig
from models.encoders import ENCODERS, EncoderConfig
from models.encoders.pretrained import PRETRAINED
from models.heads import HEADS, HeadConfig
from models.heads.base import LONGEST, LabelState, TrainLabels
from models.objectives import OBJECTIVES, ObjectiveConfig
from models.pretraining import PRETRAININGS, PretrainingConfig
from models.propensity import PROPENSITIES, PropensityConfig
from models.ranges import Weight, Whole
from models.ranking import RANKINGS, RankingConfig
from models.schema import InputSchema
from models.selection import ImpressionSelection, SelectionConfig
from models.towers import TowerConfig
from models.trunks import TRUNKS, TrunkConfig

WATCH_TIME = "watch_time"
ADVERSARY = "adversary"
RANKING = "ranking"

TaskName = Literal[
    "watch_time",
    "skip",
    "valid_play",
    "long_view",
    "finish",
    "click",
    "like",
    "follow",
    "comment",
    "forward",
    "profile_enter",
    "hate",
]

UNWANTED: frozenset[str] = frozenset({"skip", "hate"})
"""Tasks whose probability lowers a fused score."""


class TaskConfig(BaseModel):
    """How one task enters training and fusion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: Weight = 1.0
    """Static weight of the task's unit-free loss."""
    positive_floor: Whole = Field(default=200, ge=0, le=10**9)
    """Fewest positives in the fit window; below it the tower is frozen and reported. Watch time has no floor."""
    sign: Literal[-1, 1] | None = None
    """Whether the task raises (1) or lowers (-1) a fused score; null takes -1 for skip and hate, 1 for the rest."""


class FurtherHead(BaseModel):
    """One more way to learn watch time, as a task of its own beside `Recipe.head`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    head: HeadConfig
    """How it is learned and decoded."""
    weight: Weight = 1.0
    """Static weight of the head's unit-free loss."""


class Recipe(BaseModel):
    """One model, fully described. Frozen, and a misspelt key is an error that names it.

    Raises:
        ValueError: if `tasks` lacks watch_time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: EncoderConfig = default_of(ENCODERS, "packed")
    """Ids, dense features and history to vectors."""
    backbone: BackboneConfig = default_of(BACKBONES, "none")
    """Crosses of the encoded fields, before tasks part."""
    trunk: TrunkConfig = default_of(TRUNKS, "shared_bottom")
    """What tasks share."""
    tower: TowerConfig = TowerConfig()
    """Layers of each task's own."""
    head: HeadConfig = default_of(HEADS, "d2q")
    """How watch time is learned and decoded."""
    further_heads: dict[str, FurtherHead] = {}
    """Further watch-time heads by name. The ranking score is then the mean of the heads' percentiles, each in the scores
    of the validation day; mean and median come from the first head that has them."""
    tasks: dict[TaskName, TaskConfig] = {"watch_time": TaskConfig()}
    """Tasks learned together; watch_time is always one of them."""
    objective: ObjectiveConfig = default_of(OBJECTIVES, "naive")
    """From row losses to a task's loss: where debiasing happens."""
    ranking: RankingConfig = Field(
        default=default_of(RANKINGS, "none"), exclude_if=lambda config: config == default_of(RANKINGS, "none")
    )
    """A term for the order inside a user's day, added to the loss of the rows."""
    adversary: AdversaryConfig | None = None
    """A branch that works against duration in what the watch-time towers read; null: none."""
    balance: BalanceConfig = default_of(BALANCES, "fixed")
    """From the tasks' losses to gradients."""
    propensity: PropensityConfig = default_of(PROPENSITIES, "popularity")
    """Exposure probabilities and the options of weighting; read by objectives that weigh."""
    selection: SelectionConfig = ImpressionSelection()
    """The population learned about, and which part of it was observed."""
    set_apart: tuple[str, ...] = ()
    """Categorical fields and dense features that the tasks do not read: what moves exposure but not preference (position
    ...), or confounding proxies. Auxiliary towers read them through the second encoder."""
    traits: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)
    """Sensitive attributes of users that are read, of those under `table.traits`; a recipe that names none reads none."""
    second_encoder: EncoderConfig = default_of(ENCODERS, "packed", embedding_dim=8)
    """Encoder of auxiliary towers that do not share the tasks' own; built only where one asks for it."""
    pretraining: PretrainingConfig | None = Field(default=None, exclude_if=lambda config: config is None)
    """Vectors of users and videos learned from the watches of the fit days, which the fit begins with; null: none."""
    compression: CompressionConfig = Field(
        default=default_of(COMPRESSIONS, "none"), exclude_if=lambda config: config == default_of(COMPRESSIONS, "none")
    )
    """How the rows of the fitted embedding tables are stored. The compressed model is what is calibrated, judged and served."""

    @model_validator(mode="after")
    def _learns_watch_time(self) -> "Recipe":
        if WATCH_TIME not in self.tasks:
            raise ValueError(f"tasks {sorted(self.tasks)} lack {WATCH_TIME!r}, which every recipe learns")
        return self

    @model_validator(mode="after")
    def _heads_have_names(self) -> "Recipe":
        for name in self.further_heads:
            if not name.isidentifier():
                raise ValueError(f"further_heads {name!r}: a name is made of letters, digits and underscores")
        return self

    @model_validator(mode="after")
    def _objective_sees_the_unobserved(self) -> "Recipe":
        if OBJECTIVES[self.objective.kind].needs_unobserved and self.selection.kind == "impression":
            raise ValueError(
                f"objective {self.objective.kind!r} learns from rows that were not observed, and selection.kind "
                "'impression' has none: choose 'click' (impressions, observed after a click) or 'candidate' "
                "(user-video pairs, observed when shown)"
            )
        return self

    @model_validator(mode="after")
    def _parts_read_their_fields(self) -> "Recipe":
        reading = (("backbone", self.backbone), ("trunk", self.trunk), ("objective", self.objective))
        for part, config in reading:
            hidden = sorted(set(getattr(config, "fields", ())) & set(self.set_apart))
            if hidden:
                raise ValueError(
                    f"{part} {config.kind!r} reads {', '.join(hidden)}, which set_apart keeps from it: take the field out of one"
                )
        return self

    @model_validator(mode="after")
    def _pretraining_is_read(self) -> "Recipe":
        if self.pretraining is None:
            return self
        hidden, labels = sorted(set(PRETRAINED) & set(self.set_apart)), set(get_args(TaskName)) - {WATCH_TIME}
        if hidden:
            raise ValueError(f"pretraining learns vectors of {', '.join(hidden)}, which set_apart keeps from the tasks")
        if self.pretraining.watched not in labels:
            raise ValueError(
                f"pretraining.watched {self.pretraining.watched!r} is no binary label: choose among {', '.join(sorted(labels))}"
            )
        return self

    @model_validator(mode="after")
    def _groups_are_stored_alike(self) -> "Recipe":
        if getattr(self.second_encoder, "widths", None):
            raise ValueError("second_encoder.widths: rows are grouped in the encoder of the tasks alone; leave it out")
        if self.groups_rows and COMPRESSIONS[self.compression.kind].mixes_formats:
            raise ValueError(
                f"compression {self.compression.kind!r} stores rows in several formats, and encoder.widths in several widths: leave "
                "one of them out, or choose compression 'fp16' or 'int8_row'"
            )
        return self

    @model_validator(mode="after")
    def _balance_suits(self) -> "Recipe":
        balance, objective = BALANCES[self.balance.kind], OBJECTIVES[self.objective.kind]
        weighted = [task for task in self.task_names if self.weight(task) != 1]
        if weighted and not balance.uses_weights:
            raise ValueError(
                f"balance {self.balance.kind!r} ignores static weights: leave out that of {', '.join(weighted)}"
            )
        if balance.takes_logarithms and objective.may_be_negative:
            raise ValueError(
                f"balance {self.balance.kind!r} takes logarithms of losses, and that of objective "
                f"{self.objective.kind!r} may be negative: choose balance 'bounded_uncertainty', 'gradnorm' or 'pcgrad'"
            )
        return self

    @model_validator(mode="after")
    def _ranking_names_tasks(self) -> "Recipe":
        unknown = [task for task in self.ranking.ranked if task not in self.task_names]
        if unknown:
            raise ValueError(
                f"ranking.tasks names {', '.join(map(repr, unknown))}, which this recipe does not learn: choose among "
                f"{', '.join(self.task_names)}, or add it to tasks"
            )
        return self

    def unread(self, schema: InputSchema) -> tuple[str, ...]:
        """Return the sensitive fields and dense features of an input that this recipe does not ask for: nothing reads them."""
        return tuple(name for name, trait in schema.sensitive if trait not in self.traits)

    @property
    def weighs_by_propensity(self) -> bool:
        """Whether the objective or the ranking term reads the propensity of every row."""
        return OBJECTIVES[self.objective.kind].weighs_by_propensity or self.ranking.weighs_by_propensity

    @property
    def groups_rows(self) -> bool:
        """Whether rows of a packed table use parts of its width, by how often the fit days read them."""
        return bool(getattr(self.encoder, "widths", None))

    @property
    def stores_tables(self) -> bool:
        """Whether fitted tables lie in files of their own, with fewer digits or numbers than were fitted."""
        return self.compression.kind != "none" or self.groups_rows

    @property
    def joins_vectors(self) -> bool:
        """Whether vectors that were learned before the fit are two further fields."""
        return self.pretraining is not None and self.pretraining.use == "join"

    @property
    def hides_vectors(self) -> bool:
        """Whether some of them are read only after the fit."""
        return self.pretraining is not None and PRETRAININGS[self.pretraining.kind].hides

    @property
    def heads(self) -> dict[str, HeadConfig]:
        """Task -> head of every task that learns watch time: `watch_time`, then `watch_time_<name>` by name."""
        further = {f"{WATCH_TIME}_{name}": self.further_heads[name].head for name in sorted(self.further_heads)}
        return {WATCH_TIME: self.head, **further}

    @property
    def task_names(self) -> tuple[str, ...]:
        """Tasks in one fixed order, whatever the order of the configuration: watch time, then the binary tasks."""
        return (*self.heads, *self.label_names)

    @property
    def label_names(self) -> tuple[str, ...]:
        """Binary tasks, whose labels a batch must carry."""
        return tuple(name for name in get_args(TaskName) if name in self.tasks and name != WATCH_TIME)

    @property
    def head_fields(self) -> tuple[str, ...]:
        """Categorical fields whose levels the heads read."""
        return tuple(dict.fromkeys(name for head in self.heads.values() for name in getattr(head, "fields", ())))

    def weight(self, task: str) -> float:
        """Return the static weight of a task's loss."""
        if task in self.tasks:
            return self.tasks[task].weight
        return self.further_heads[task.removeprefix(f"{WATCH_TIME}_")].weight

    def fit_head_state(self, labels: TrainLabels) -> LabelState:
        """Fit the label state of every head on train rows; that of further heads stands under `<task>/`, the adversaries'
        under `adversary/`, the ranking term's under `ranking/`."""
        longest = {} if labels.truncated else {LONGEST: np.asarray(labels.watch_s.max(), dtype=np.float32)}
        states = {task: HEADS[head.kind].fit_state(head, labels) | longest for task, head in self.heads.items()}
        further = {
            f"{task}/{name}": value
            for task, state in states.items()
            if task != WATCH_TIME
            for name, value in state.items()
        }
        against = {} if self.adversary is None else fit_durations(labels.duration_s)
        ranked = RANKINGS[self.ranking.kind].fit_state(self.ranking, labels) if self.ranking.ranked else {}
        apart = {ADVERSARY: against, RANKING: ranked}
        others = {f"{part}/{name}": value for part, state in apart.items() for name, value in state.items()}
        return states[WATCH_TIME] | further | others

    def head_state(self, task: str, state: LabelState) -> LabelState:
        """Return the part of `fit_head_state` that belongs to one task's head, to the adversaries or to the ranking term."""
        if task == WATCH_TIME:
            return {name: value for name, value in state.items() if "/" not in name}
        prefix = f"{task}/"
        return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}

    def sign(self, task: TaskName) -> int:
        """Return 1 if the task raises a fused score, -1 if it lowers it."""
        return self.tasks[task].sign or (-1 if task in UNWANTED else 1)

    def frozen_tasks(self, positives: Mapping[str, int]) -> tuple[str, ...]:
        """Return the binary tasks with fewer positives in the fit window than their floor.

        Args:
            positives: binary task -> rows with label 1.
        """
        return tuple(
            task
            for task in self.label_names
            if positives[task] < self.tasks[task].positive_floor  # type: ignore[index]
        )
