"""The users' traits beside the feature rows: a table of their own, joined where a table or model asks for them.

Rows on disk never hold a trait, so that a withdrawal leaves none behind. Definitions: docs/methods/traits.md#point-in-time.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from tasks.core.days import midnight_ms
from tasks.core.errors import ContractError
from tasks.core.files import remove, writing
from tasks.core.traits import Declared
from tasks.features.partitions import write_parquet

FILE = "traits.parquet"
KNOWN_FROM = "known_from_ms"
"""When both the values and the consent stood: no row of an earlier morning reads them."""
KNOWN = "_known"
"""After the name of a number: the column that is 1 where its value may be used, else 0."""
_ON, _VALUE = "user_id", " of the user"


def field_columns(traits: Declared, names: Iterable[str]) -> tuple[str, ...]:
    """Return the categorical columns that some declared traits become, in the order of their names."""
    return tuple(name for name in names if traits[name]["kind"] == "category")


def dense_columns(traits: Declared, names: Iterable[str]) -> tuple[str, ...]:
    """Return the dense columns that some declared traits become: the value, and whether there is one."""
    numbers = (name for name in names if traits[name]["kind"] == "number")
    return tuple(column for name in numbers for column in (name, name + KNOWN))


def told_by(traits: Declared, names: Iterable[str]) -> dict[str, str]:
    """Return column -> the trait that it tells, of some declared traits."""
    columns = {name: (*field_columns(traits, [name]), *dense_columns(traits, [name])) for name in names}
    return {column: name for name, made in columns.items() for column in made}


def write_traits(validated: Path, out: Path, traits: Declared, taken: Sequence[str]) -> None:
    """Write the traits of data/features, sorted by user; where none are declared, remove those of an earlier run.

    Args:
        validated: data/validated.
        out: data/features.
        traits: what the source declares.
        taken: names of columns that rows have without them.

    Raises:
        ContractError: if a trait has the name of another feature column.
    """
    if not traits:
        remove(out / FILE)
        return
    if both := sorted(set(told_by(traits, traits)) & set(taken)):
        raise ContractError(f"{validated}: a trait and another feature are called {both[0]!r}: rename one")
    table = pl.read_parquet(validated / FILE).sort(_ON)
    known_from = pl.max_horizontal("consent_time_ms", "recorded_time_ms").alias(KNOWN_FROM)
    with writing(out / FILE) as temporary:
        write_parquet(table.select(_ON, known_from, *sorted(traits)), temporary)


def join_traits(
    rows: pl.LazyFrame, features: Path, traits: Declared, names: Sequence[str], days: Iterable[dt.date], timezone: str
) -> pl.LazyFrame:
    """Add the columns of some traits to rows, in their order.

    A category is null, and a number null with 0 beside it, for users who did not agree before the state day of the row began.

    Args:
        rows: `user_id` and `state_day`.
        features: data/features.
        traits: what is declared.
        names: traits to add.
        days: the state days of the rows.
        timezone: of the source.
    """
    table = pl.scan_parquet(features / FILE).select(_ON, KNOWN_FROM, *(pl.col(n).alias(n + _VALUE) for n in names))
    mornings = {day: midnight_ms(day, timezone) for day in days}
    morning = pl.col("state_day").replace_strict(mornings, default=None, return_dtype=pl.Int64())
    told = pl.col(KNOWN_FROM) <= morning
    fields = [pl.when(told).then(name + _VALUE).alias(name) for name in field_columns(traits, names)]
    numbers = [name for name in names if name in dense_columns(traits, names)]
    values = [pl.when(told).then(name + _VALUE).alias(name) for name in numbers]
    known = [
        (told & pl.col(name + _VALUE).is_not_null()).fill_null(value=False).cast(pl.Float32).alias(name + KNOWN)
        for name in numbers
    ]
    joined = rows.join(table, on=_ON, how="left", maintain_order="left").with_columns(*fields, *values, *known)
    return joined.drop(KNOWN_FROM, *(name + _VALUE for name in names))
