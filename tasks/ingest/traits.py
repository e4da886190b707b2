"""Of the users' traits only what may be used on the morning of the night: of who agreed, not older than its retention.

Definitions: docs/methods/traits.md#what-may-be-used.
"""

from collections.abc import Mapping

import polars as pl

from tasks.core.contract import TRAITS
from tasks.core.days import DAY_MS
from tasks.core.traits import Trait


def usable(records: pl.DataFrame, traits: Mapping[str, Trait], morning_ms: int) -> pl.DataFrame:
    """Return the rows of users who agreed, with the values that may be used on a morning, sorted by id.

    A withdrawal counts whenever it came, also after the morning: a night that is run again reads no value that may not be
    read now.

    Args:
        records: the table of traits as the source has it.
        traits: what is declared of each.
        morning_ms: when the day that is served begins.
    """
    agreed = (pl.col("consent") == 1) & (pl.col("consent_time_ms") <= morning_ms)
    kept = records.filter(agreed & (pl.col("recorded_time_ms") <= morning_ms))
    kept = kept.with_columns(_fresh(name, trait, morning_ms) for name, trait in traits.items())
    kept = kept.with_columns(_common(name, trait) for name, trait in traits.items() if trait.kind == "category")
    told = kept.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in traits))
    return told.select(*(column.name for column in TRAITS), *sorted(traits)).sort("user_id")


def _fresh(name: str, trait: Trait, morning_ms: int) -> pl.Expr:
    until_ms = pl.col("recorded_time_ms") + trait.retention_days * DAY_MS
    return pl.when(until_ms > morning_ms).then(name).alias(name)


def _common(name: str, trait: Trait) -> pl.Expr:
    """Leave out levels that few users share."""
    users = pl.col(name).count().over(name)
    return pl.when(users >= trait.least_users).then(name).alias(name)
