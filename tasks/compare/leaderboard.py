"""All models of a source night by night, and each against one of them over the nights that both were judged on."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.compare.differences import Difference, adjusted, pooled
from tasks.compare.judged import CHAMPION, TRIAL, JudgedNight, JudgedNights
from tasks.core.errors import ConfigError, NightError
from tasks.core.files import hash_file
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.draws import table_draws
from tasks.evaluate.estimate import Draw, average, difference
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.evaluate.table import PredictionTable, require_same_rows

METRIC = "xauc"
"""What the board ranks by."""


@dataclass(frozen=True)
class Standing:
    """One model.

    Attributes:
        model: its name; the champion of every night under that name, models of trials that a night judged otherwise as
            `trial:NAME`.
        by_night: night -> XAUC.
        against: difference to the reference over the nights of both; None: there is none, or it is the reference.
    """

    model: str
    by_night: Mapping[dt.date, Interval]
    against: Difference | None

    @property
    def latest(self) -> float:
        """XAUC of its last night."""
        return self.by_night[max(self.by_night)].value


@dataclass(frozen=True)
class Board:
    """Models by nights, the best difference to the reference first, then those without one by their last night.

    Attributes:
        source: whose nights.
        reference: the model that differences are taken to.
        nights: in order of time.
        standings: one per model.
    """

    source: str
    reference: str
    nights: tuple[dt.date, ...]
    standings: tuple[Standing, ...]


def leaderboard(
    nights: JudgedNights, between: tuple[dt.date, dt.date] | None, last: int, reference: str = CHAMPION
) -> Board:
    """Measure every table at hand of some nights.

    Args:
        nights: the judge days.
        between: first and last night; None: the last ones.
        last: how many, where no span is given.
        reference: the model that differences are taken to.

    Raises:
        ConfigError: if no night has a table of the reference, though one was named.
        NightError: if there is no table at all.
        PredictionError: if the tables of a night do not hold the same rows.
    """
    chosen = [night for night in nights.nights if between is None or between[0] <= night <= between[1]]
    judged = [night for night in map(nights.at, chosen if between else chosen[-last:]) if night.tables]
    if not judged:
        raise NightError(
            f"no judged night of {nights.source} is at hand: `dwell nightly --source {nights.source}` runs one"
        )
    if reference != CHAMPION and not any(reference in night.tables for night in judged):
        known = sorted({name for night in judged for name in night.tables})
        raise ConfigError(f"no table of {reference!r} on these nights: there are {', '.join(known)}")
    return _board(nights.source, judged, reference, nights.params.evaluation)


def _board(source: str, judged: Sequence[JudgedNight], reference: str, config: EvaluationConfig) -> Board:
    values: dict[str, dict[dt.date, Interval]] = {}
    deltas: dict[str, list[Interval]] = {}
    for night in judged:
        draws = _draws(night, config)
        for name, own in draws.items():
            values.setdefault(name, {})[night.as_of] = average(own, config.confidence)
            if reference in draws and name != reference:
                deltas.setdefault(name, []).append(difference(own, draws[reference], config.confidence))
    against = adjusted({name: pooled(found, config.confidence) for name, found in deltas.items()})
    standings = [Standing(name, by_night, against.get(name)) for name, by_night in values.items()]
    return Board(
        source,
        reference,
        tuple(night.as_of for night in judged),
        tuple(sorted(standings, key=lambda one: _place(one, reference))),
    )


def _draws(night: JudgedNight, config: EvaluationConfig) -> dict[str, list[Draw]]:
    tables = {name: PredictionTable.read(name, [path]) for name, path in _shown(night).items()}
    first = next(iter(tables.values()))
    for table in tables.values():
        require_same_rows(table, first)
    return {name: table_draws(table, [METRIC], config)[METRIC] for name, table in tables.items()}


def _shown(night: JudgedNight) -> dict[str, Path]:
    """Return the tables of a night, those of trials only where the model was not judged, or predicted otherwise."""
    found = {name: path for name, path in sorted(night.tables.items()) if not name.startswith(TRIAL)}
    for name, path in sorted(night.tables.items()):
        own = found.get(name.removeprefix(TRIAL))
        if name.startswith(TRIAL) and own is not None and own != path and hash_file(own) != hash_file(path):
            found[name] = path
    return found


def _place(standing: Standing, reference: str) -> tuple[bool, float, float, str]:
    gain = standing.against.value if standing.against else 0.0
    apart = not math.isfinite(gain) or (standing.against is None and standing.model != reference)
    return apart, 0.0 if apart else -gain, -standing.latest, standing.model
