"""What the gate reads: one judge table per contender of this night, and those of earlier nights."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tasks.core.errors import ConfigError
from tasks.core.files import hash_value
from tasks.gate.decision import Retired
from tasks.gate.evidence import Increment, Reign, Step

SEED_KEYS = ("seed", "seeds", "num_seeds")
"""Settings that make another fit of the same configuration, not another configuration."""


def configuration_hash(*blocks: Any) -> str:
    """Name a recipe's configuration, seeds excluded: equal names mean "refresh", different ones "upgrade".

    Args:
        blocks: the recipe and whatever else defines the model (training settings ...), as JSON-serialisable values.
    """
    return hash_value([_without_seeds(block) for block in blocks])


def _without_seeds(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_seeds(item) for key, item in value.items() if key not in SEED_KEYS}
    if isinstance(value, (list, tuple)):
        return [_without_seeds(item) for item in value]
    return value


@dataclass(frozen=True)
class Contender:
    """One model with its judge-day predictions.

    Attributes:
        name: recipe name.
        recipe_hash: `configuration_hash` of its recipe.
        predictions: prediction table of the judge day, all seeds.
        validation_xauc: XAUC on the validation day, averaged over seeds: the only number that may choose between
            contenders that all pass. NaN where unknown (the champion's is never needed).
        entry: registry entry; champions only.
        made: night that fitted it; champions only.
        warnings: remarks of its training (dead experts ...); recorded, never decisive.
    """

    name: str
    recipe_hash: str
    predictions: Path
    validation_xauc: float = float("nan")
    entry: str | None = None
    made: dt.date | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class JudgeDay:
    """The contenders of one night on its judge rows.

    Attributes:
        as_of: the night.
        challengers: in order of `params.yaml`, which breaks ties.
        champion: None on the first night, and where it could not be scored.
        expectations_passed: whether all data expectations of that night passed.
        evidence: registry id, for an earlier night.
    """

    as_of: dt.date
    challengers: tuple[Contender, ...]
    champion: Contender | None
    expectations_passed: bool = True
    evidence: str | None = None


@dataclass(frozen=True)
class GateInputs:
    """Everything a decision depends on besides the policy.

    Attributes:
        tonight: this night's judge day.
        baselines: name -> prediction table of the same rows.
        evidence: judge tables of the last nights, for guardrails that pool them.
        reign: what the ledger keeps of every night of the champion's reign.
        anchor: prediction table of the reign's anchor; None where that is the champion itself.
        duration_edges_s: edges of the duration groups of the calibration guardrail, from fit days; None: equal-count
            groups of the judge rows.
        retired: the champion that could not be scored.
    """

    tonight: JudgeDay
    baselines: Mapping[str, Path] = field(default_factory=dict)
    evidence: tuple[JudgeDay, ...] = ()
    reign: Reign = field(default_factory=Reign)
    anchor: Path | None = None
    duration_edges_s: tuple[float, ...] | None = None
    retired: Retired | None = None

    def __post_init__(self) -> None:
        if not self.tonight.challengers:
            raise ConfigError(f"night {self.tonight.as_of}: the gate needs at least one challenger (nightly.recipes)")
        names = [challenger.name for challenger in self.tonight.challengers]
        if len(set(names)) != len(names):
            raise ConfigError(f"night {self.tonight.as_of}: challenger names must differ, got {', '.join(names)}")

    @property
    def champion_age(self) -> int | None:
        """Days since the night that fitted the champion; None where it is unknown."""
        champion = self.tonight.champion
        return None if champion is None or champion.made is None else (self.tonight.as_of - champion.made).days

    def challenger(self, name: str) -> Contender:
        """Return this night's challenger of that name.

        Raises:
            ConfigError: if there is none.
        """
        for challenger in self.tonight.challengers:
            if challenger.name == name:
                return challenger
        known = ", ".join(challenger.name for challenger in self.tonight.challengers)
        raise ConfigError(f"night {self.tonight.as_of}: no challenger {name!r} (there are {known})")

    def swapped(self, name: str) -> "GateInputs":
        """Return the inputs with roles swapped: the champion challenges `name`, on this and on every earlier night.

        After a rollback this shows whether the gate would have let the restored model replace the other one.

        Raises:
            ConfigError: if there is no champion, or no challenger of that name.
        """
        if self.tonight.champion is None:
            raise ConfigError(f"night {self.tonight.as_of}: there is no champion to swap roles with")
        recipe_hash, champion_hash = self.challenger(name).recipe_hash, self.tonight.champion.recipe_hash
        evidence = tuple(swapped for day in self.evidence if (swapped := _swap(day, recipe_hash)) is not None)
        tonight = replace(self.tonight, challengers=(self.challenger(name),))
        increments = tuple(
            _reversed(increment, champion_hash)
            for increment in self.reign.increments
            if increment.against == "champion" and increment.recipe_hash == recipe_hash
        )
        reign = Reign(since=self.reign.since, increments=increments)
        return replace(
            self, tonight=_swap(tonight, recipe_hash) or tonight, evidence=evidence, reign=reign, anchor=None
        )


def _swap(day: JudgeDay, recipe_hash: str) -> JudgeDay | None:
    chosen = [challenger for challenger in day.challengers if challenger.recipe_hash == recipe_hash]
    if not chosen or day.champion is None:
        return None
    return replace(day, challengers=(day.champion,), champion=chosen[0])


def _reversed(increment: Increment, recipe_hash: str) -> Increment:
    metrics = {
        name: Step(delta=-step.delta, standard_error=step.standard_error) for name, step in increment.metrics.items()
    }
    return increment.model_copy(update={"recipe_hash": recipe_hash, "metrics": metrics})
