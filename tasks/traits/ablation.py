"""The ablation of sensitive attributes: one recipe with them, without, and with them shuffled among users.

Reads the fit and validation days, never the judge day: what is kept has to hold there. Definitions and the rule:
docs/methods/traits.md#the-ablation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.errors import ConfigError
from tasks.core.files import hash_value, unfinished
from tasks.core.layout import Workspace
from tasks.core.manifest import code_hash, models_hash
from tasks.evaluate.config import EvaluationConfig
from tasks.features.traits import FILE
from tasks.table.source import FeatureFolder
from tasks.table.training_table import TrainingTable
from tasks.traits.twins import build_twin
from tasks.tune.config import TuningConfig
from tasks.tune.confirm import FreshFits
from tasks.tune.result import Gain
from tasks.tune.run import DefaultRecipe
from tasks.tune.space import Candidate
from tasks.tune.study import holding

_PERMUTATION = 0
FEWEST_ROWS = 100
"""Rows of a group below which it is not compared."""


@dataclass(frozen=True)
class Ablation:
    """What the arms did on the validation day.

    Attributes:
        name: of the recipe.
        day: validation day.
        traits: what the recipe reads -> what it was collected for.
        users: who agreed.
        alone: of these, who share their values with nobody.
        told_share: share of the rows whose user agreed.
        over_shuffled: with the traits against with those of other users.
        over_none: with the traits against without any.
        cold: `over_shuffled` on the rows of users without a row in the fit days; None: there are too few.
        groups: trait and level -> `over_none` on the rows of its users, at a level that holds for all groups together.
    """

    name: str
    day: str
    traits: Mapping[str, str]
    users: int
    alone: int
    told_share: float
    over_shuffled: Gain
    over_none: Gain
    cold: Gain | None
    groups: Mapping[str, Gain]

    @property
    def harmed(self) -> tuple[str, ...]:
        """Groups that the model is surely worse for with the traits than without."""
        return tuple(name for name, gain in self.groups.items() if gain.difference.high < 0)

    @property
    def keep(self) -> bool:
        """Whether the traits may stay in the recipe."""
        return self.over_shuffled.difference.low > 0 and not self.harmed

    @property
    def verdict(self) -> str:
        """Say whether the traits may stay, and why."""
        if self.harmed:
            return f"do not keep them: with them the model is worse for {', '.join(self.harmed)}"
        if not self.keep:
            return "do not keep them: their gain over the shuffled twin is not above its interval"
        return "they may be kept: their gain over the shuffled twin is above its interval, and no group is surely worse off"

    def summary(self) -> str:
        """Return what a person reads."""
        named = "; ".join(f"{name} (sensitive; for {purpose})" for name, purpose in self.traits.items())
        lines = [
            f"{self.name} on the validation day {self.day} reads {named}",
            f"{self.users:,} users agreed, whose rows are {self.told_share:.1%} of the day's; {self.alone:,} of them share their "
            "values with nobody, so that these can act as their names",
            f"against shuffled among users: {self.over_shuffled}",
            f"against none: {self.over_none}",
        ]
        if self.cold is not None:
            lines.append(f"users without a row in the fit days, against shuffled: {self.cold}")
        for name, gain in self.groups.items():
            found = gain.difference
            lines.append(
                f"  {name}, against none: {found.value:+.5f} [{found.low:+.5f}, {found.high:+.5f}] ({gain.level:.2%})"
            )
        return "\n".join([*lines, self.verdict])


def ablate(workspace: Workspace, default: DefaultRecipe, config: TuningConfig) -> Ablation:
    """Fit the arms, or go on with what an earlier run fitted, and compare them paired by user.

    Args:
        workspace: with the features and the table of a night.
        default: the recipe; it names the traits that it reads.
        config: its metric and confirmation seeds are those of the arms.

    Raises:
        ConfigError: if the recipe names no trait.
        ContractError: if there is no table, or it cannot be read.
        TuningError: if another command works on the same ablation.
        TrainingError: if the table lacks what the recipe needs.
    """
    traits = default.recipe.traits
    if not traits:
        raise ConfigError(
            f"recipe {default.name!r} reads no sensitive attribute: name some under recipes.{default.name}.traits"
        )
    table, source = TrainingTable.open(workspace.table), FeatureFolder.open(workspace.features)
    training = default.training.of(default.name)
    settings = [default.recipe.model_dump(mode="json"), training.model_dump(mode="json"), config.metric]
    code = [code_hash("train", "table", "features", "evaluate", "tune", "traits"), models_hash()]
    key = hash_value([table.learned_hashes, code, settings])[:16]
    folder = workspace.scratch / "traits" / default.name / key
    fits = FreshFits(workspace.table, folder, config.metric, config.confirmation_seeds)
    own, none = default.recipe, default.recipe.model_copy(update={"traits": ()})
    with holding(folder, f"dwell traits {default.name}"), unfinished(folder / "twin") as scratch:
        shuffled = replace(fits, table=scratch / "table")
        if shuffled.missing("shuffled"):
            build_twin(workspace.features, table, scratch / "features", shuffled.table, _PERMUTATION)
        arms = {
            "with": fits.scores("with", Candidate(own, training)),
            "none": fits.scores("none", Candidate(none, training)),
            "shuffled": shuffled.scores("shuffled", Candidate(own, training)),
        }
    people = pl.read_parquet(workspace.features / FILE, columns=["user_id", *traits])
    user_B, kept = np.array(table.column("validation", "user_id")), default.evaluation
    cold_B = ~np.isin(user_B, np.unique(table.column("fit", "user_id")))
    return Ablation(
        name=default.name,
        day=table.validation_day.isoformat(),
        traits={name: str(source.traits[name]["purpose"]) for name in traits},
        users=people.height,
        alone=people.height - int(people.select(pl.struct(traits).is_duplicated().sum()).item()),
        told_share=float(np.isin(user_B, people["user_id"].to_numpy()).mean()),
        over_shuffled=fits.compare(arms["with"], arms["shuffled"], kept),
        over_none=fits.compare(arms["with"], arms["none"], kept),
        cold=fits.compare(arms["with"], arms["shuffled"], kept, cold_B) if cold_B.sum() >= FEWEST_ROWS else None,
        groups=_by_group(fits, arms, kept, dict(_groups(table, traits))),
    )


def _groups(table: TrainingTable, traits: Sequence[str]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the levels of every category, "not known" among them, with the rows of the validation day that have it."""
    for vocabulary in table.preprocessor.vocabularies:
        if vocabulary.field in traits:
            code_B = table.preprocessor.local_codes(table.column("validation", "ids"), vocabulary.field)
            for code, level in enumerate(["not known", *vocabulary.keys.to_list()]):
                yield f"{vocabulary.field} {level}", code_B == code


def _by_group(
    fits: FreshFits,
    arms: Mapping[str, Sequence[NDArray[np.float64]]],
    evaluation: EvaluationConfig,
    rows: Mapping[str, NDArray[np.bool_]],
) -> dict[str, Gain]:
    """Compare with and without the traits inside every group, with intervals that hold for all of them together (Bonferroni)."""
    enough = {name: kept_B for name, kept_B in rows.items() if kept_B.sum() >= FEWEST_ROWS}
    confidence = 1 - (1 - evaluation.confidence) / max(len(enough), 1)
    together = evaluation.model_copy(update={"confidence": confidence})
    return {name: fits.compare(arms["with"], arms["none"], together, kept_B) for name, kept_B in enough.items()}
