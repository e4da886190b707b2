"""What the stage `forecast` reads: the models that served and will serve, the days' rows, and earlier records."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.core.predictions import prediction_columns
from tasks.gate.decision import Decision
from tasks.registry.checkout import Checkout
from tasks.registry.forecast import NightForecast, Served


@dataclass(frozen=True)
class Model:
    """A model with its predictions of the night's day, and of earlier days that it was not trained on.

    Attributes:
        served: which it is.
        judged: prediction table of the night's day.
        earlier: those of earlier judge days by it, or by other fits of its configuration, oldest first; none of them was
            trained on the day.
    """

    served: Served
    judged: Path
    earlier: tuple[Path, ...] = ()


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
    """Return the champion with its table of the night's day, and those of earlier nights that the evidence holds."""
    entry = checkout.entry
    if entry is None:
        return None
    served = Served(recipe=entry.recipe, recipe_hash=entry.recipe_hash, made=entry.as_of)
    earlier, seeds = list[Path](), _seeds(judged)
    for day in checkout.evidence:
        fits = (
            [day.champion] if day.champion is not None and day.champion.entry == checkout.champion else day.challengers
        )
        tables = [fit.predictions for fit in fits if fit.recipe_hash == entry.recipe_hash]
        earlier += [table for table in tables[:1] if _seeds(table) == seeds]
    return Model(served, judged, tuple(earlier))


def winning(decision: Decision, judged: Path) -> Model:
    """Return the challenger that becomes champion with its table of the night's day."""
    assert decision.winner is not None
    assert decision.winner_recipe_hash is not None
    served = Served(recipe=decision.winner, recipe_hash=decision.winner_recipe_hash, made=decision.as_of)
    return Model(served, judged)


def _seeds(table: Path) -> set[int]:
    return {column.seed for column in prediction_columns(pl.read_parquet_schema(table))}
