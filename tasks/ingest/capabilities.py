"""What a log records, as its rows show it: a column without values records nothing, and no file's name makes a row random.

A feedback flag is what the adapter says: that nobody followed anybody in a week is a finding, not a gap.
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tasks.core.contract import FLAGS
from tasks.core.layout import partition


def recorded(claimed: Sequence[str], impressions: Path, days: Sequence[dt.date]) -> tuple[str, ...]:
    """Return those capabilities that the rows of some days bear out, in their order.

    Args:
        claimed: what the source's adapter knows how to read.
        impressions: folder of the partitions.
        days: the days of the run.
    """
    rows = pl.scan_parquet([partition(impressions, day) for day in days], hive_partitioning=False)
    shown = [_shown(name).alias(name) for name in claimed if name not in FLAGS]
    found = rows.select(shown).collect(engine="streaming").row(0, named=True) if shown else {}
    return tuple(name for name in claimed if found.get(name, True))


def _shown(capability: str) -> pl.Expr:
    """Tell whether any row shows that something is recorded."""
    if capability == "random_exposure":
        return (pl.col("policy") == "random").any()
    return pl.col(capability).is_not_null().any()
