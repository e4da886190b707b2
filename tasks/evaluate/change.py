"""What changed in a metric from one night to the next, in parts that add up: the day's rows, its features, the model.

Source: docs/methods/metrics.md#what-changed-between-two-nights.

Shapes: B rows, U users of either day.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.catalogue import CHANGED, metric
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw, average, change
from tasks.evaluate.headline import statistic
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import IntArray
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.rows import logged_rows, observed, predicted
from tasks.evaluate.table import PredictionTable

Part = Literal["data", "features", "data and features", "model"]


@dataclass(frozen=True)
class Link:
    """One step from the earlier night to the later one.

    Attributes:
        part: what alone differs from the table before.
        table: the prediction table after it.
    """

    part: Part
    table: Path


@dataclass(frozen=True)
class Chain:
    """The tables between the headlines of two nights.

    Attributes:
        earlier: the night.
        later: the night.
        before: what served after the earlier night, on its judge day.
        links: one part after the other; the last table is what serves after the later night, on its judge day.
    """

    earlier: dt.date
    later: dt.date
    before: Path
    links: tuple[Link, ...]


@dataclass(frozen=True)
class MetricChange:
    """How one metric went from one night to the other.

    Attributes:
        before: the earlier night's.
        after: the later night's.
        parts: what each link of the chain adds; a sum of all is `after.value - before.value`.
        total: that difference with its own interval.
    """

    before: Interval
    after: Interval
    parts: tuple[tuple[Part, Interval], ...]
    total: Interval


def chained(older_state: Path | None, same_model: Path, served: Path) -> tuple[Link, ...]:
    """Return the links of a later judge day.

    Args:
        older_state: table of the model of the night before, on features of the morning before; None: data and features are
            one part.
        same_model: the same model on this morning's features.
        served: what serves after the night.
    """
    if older_state is None:
        return Link("data and features", same_model), Link("model", served)
    return Link("data", older_state), Link("features", same_model), Link("model", served)


def decompose(chain: Chain, config: EvaluationConfig) -> dict[str, MetricChange]:
    """Take the change of every metric apart.

    All tables share one draw of the users of both days, so a part is paired: a user of both days is one user, and what two
    tables of one day have in common goes out of their difference. Randomly exposed rows are left out, as in the headline.

    Args:
        chain: the tables.
        config: how uncertainty is drawn.

    Returns:
        name -> its change, of those of `catalogue.CHANGED` that every table defines.

    Raises:
        ContractError: if a table or a column is missing.
        PredictionError: if a prediction is NaN or infinite.
    """
    tables = [PredictionTable.read(str(path), [path]) for path in (chain.before, *(link.table for link in chain.links))]
    people = np.unique(np.concatenate([table.frame["user_id"].to_numpy() for table in tables]))
    resampler = Resampler(people.size, config.replicates, config.seed)
    names = [name for name in CHANGED if all(metric(name).task in (None, *table.tasks) for table in tables)]
    measured = [_measured(table, people, names, resampler, config) for table in tables]
    return {name: _change(name, chain.links, measured, config.confidence) for name in names}


@dataclass(frozen=True, eq=False)
class _Measured:
    """One table: who has rows in it, and every metric of every seed."""

    present_U: NDArray[np.bool_]
    draws: Mapping[str, Sequence[Draw]]


def _measured(
    table: PredictionTable, people: IntArray, names: Sequence[str], resampler: Resampler, config: EvaluationConfig
) -> _Measured:
    """Measure one table over the users of both days."""
    index = logged_rows(table)
    own = Resampler(table.num_users, config.replicates, config.seed)
    labels = tuple(task for name in names if (task := metric(name).task) is not None)
    everything = observed(table, Groups(np.zeros(len(table), np.int64), 1), own, labels, config.seed)
    users = Groups(np.searchsorted(people, table.frame["user_id"].to_numpy()).astype(np.int64), people.size)
    rows = replace(everything, users=users, units=resampler.units(users)).take(index)
    found: dict[str, list[Draw]] = {}
    for seed in table.seeds:
        predictions = predicted(table, seed, labels).take(index)
        statistics = {name: statistic(name, rows, predictions, config) for name in names}
        for name, draw in resampler.draw(statistics).items():
            found.setdefault(name, []).append(draw)
    return _Measured(rows.users.rows() > 0, found)


def _change(name: str, links: Sequence[Link], measured: Sequence[_Measured], level: float) -> MetricChange:
    def between(before: _Measured, after: _Measured) -> Interval:
        users = int((before.present_U | after.present_U).sum())
        return change(after.draws[name], before.draws[name], users, level)

    parts = tuple(
        (link.part, between(before, after))
        for link, before, after in zip(links, measured[:-1], measured[1:], strict=True)
    )
    first, last = measured[0], measured[-1]
    before, after = (average(one.draws[name], level) for one in (first, last))
    return MetricChange(before, after, parts, between(first, last))
