"""What the stage `forecast` reads: the models that served and will serve, the days' rows, and earlier records."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.gate.decision import Decision
from tasks.registry.checkout import Checkout
from tasks.registry.forecast import NightForecast, Served


@dataclass(frozen=True)
class Model:
    """A model with its predictions of the night's day, and of an earlier day that it was not trained on.

    Attributes:
        served: which it is.
        judged: prediction table of the night's day.
        earlier: that of the latest earlier judge day; None where the evidence at hand holds none.
    """

    served: Served
    judged: Path
    earlier: Path | None = None


@dataclass(frozen=True)
class ForecastInputs:
    """What a forecast depends on.

    Attributes:
        days: days whose feature rows stand, in order; the last is the night's.
        features: data/features.
        champion: what served the night's day; None where nothing did, or it could not be scored.
        serves: what serves the day to come; None where every model was refused.
        past: records of earlier nights, oldest first.
        truncate_watch: whether the night's label is min(play, duration).
    """

    days: Sequence[dt.date]
    features: Path
    champion: Model | None
    serves: Model | None
    past: tuple[NightForecast, ...]
    truncate_watch: bool

    @property
    def night(self) -> dt.date:
        """The night."""
        return self.days[-1]


def standing(checkout: Checkout, judged: Path) -> Model | None:
    """Return the champion with its table of the night's day, and of the latest night before that the evidence holds."""
    entry = checkout.entry
    if entry is None:
        return None
    served = Served(recipe=entry.recipe, recipe_hash=entry.recipe_hash, made=entry.as_of)
    for day in reversed(checkout.evidence):
        found = [one for one in day.challengers if day.as_of == entry.as_of and one.recipe_hash == entry.recipe_hash]
        if day.champion is not None and day.champion.entry == checkout.champion:
            found.append(day.champion)
        if found:
            return Model(served, judged, found[0].predictions)
    return Model(served, judged)


def winning(decision: Decision, judged: Path) -> Model:
    """Return the challenger that becomes champion with its table of the night's day."""
    assert decision.winner is not None
    assert decision.winner_recipe_hash is not None
    served = Served(recipe=decision.winner, recipe_hash=decision.winner_recipe_hash, made=decision.as_of)
    return Model(served, judged)
