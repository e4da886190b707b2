"""Mark repeated impressions: the production rule of deduplication, within a partition and against the day before."""

import polars as pl

from tasks.core.contract import KEY, impressions_schema
from tasks.validate.row_rules import EXACT, SAME_KEY, RowContext, unsound

_ROW, _UNSOUND, _BEFORE = "_row", "_unsound", "_unsound_before"


def key_order_broken(frame: pl.DataFrame) -> bool:
    """Tell whether rows with a complete key fail to be sorted by (event time, user, video)."""
    event, user, video = (pl.col(name) for name in ("event_time_ms", "user_id", "video_id"))
    before = [column.shift(1) for column in (event, user, video)]
    falls = (event < before[0]) | (
        (event == before[0]) & ((user < before[1]) | ((user == before[1]) & (video < before[2])))
    )
    return bool(frame.lazy().select(*KEY).drop_nulls().select(falls.any().alias("falls")).collect().item())


def mark(frame: pl.DataFrame, context: RowContext, arrived_before: pl.DataFrame) -> pl.DataFrame:
    """Add EXACT and SAME_KEY: true on each row that another row with its key replaces.

    Of several rows with one key a sound one wins over an unsound one, then the earliest arrival, then the largest play,
    then the order of the file. A row of the day before wins over all of them unless it is unsound and they are not.

    Args:
        frame: impressions in key order (rows of one key stand together).
        context: the day's context, which tells sound from unsound rows.
        arrived_before: keys that arrived the day before, with the column `_unsound_before`.
    """
    frame = frame.with_row_index(_ROW)
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in KEY).fill_null(False)
    repeated = frame.filter(same | same.shift(-1, fill_value=False))
    if arrived_before.height:
        again = frame.join(arrived_before.select(KEY), on=KEY, how="semi")
        repeated = pl.concat([repeated, again]).unique(subset=_ROW, maintain_order=True)
    ranked = (
        repeated.with_columns(
            unsound(context).alias(_UNSOUND),
            (~pl.struct(list(impressions_schema(frame.columns))).is_first_distinct()).alias(EXACT),
        )
        .sort(_UNSOUND, "known_at_ms", -pl.col("watch_ms"), _ROW, nulls_last=True)
        .join(arrived_before, on=KEY, how="left", maintain_order="left")
    )
    outdone = pl.col(_BEFORE).is_not_null() & (~pl.col(_BEFORE) | pl.col(_UNSOUND)).fill_null(False)
    losers = ranked.select(_ROW, EXACT, (outdone | ~pl.struct(KEY).is_first_distinct()).alias(SAME_KEY))
    return (
        frame.join(losers, on=_ROW, how="left", maintain_order="left")
        .with_columns(pl.col(EXACT, SAME_KEY).fill_null(False))
        .drop(_ROW)
    )


def nothing_before() -> pl.DataFrame:
    """Return the empty `arrived_before` of a source's first day."""
    return pl.DataFrame(schema={**dict.fromkeys(KEY, pl.Int64()), _BEFORE: pl.Boolean()})


def arrived_before(candidates: pl.DataFrame, day_before: pl.LazyFrame, context: RowContext) -> pl.DataFrame:
    """Return which of `candidates` (keys) arrived the day before, and whether only as unsound rows.

    Args:
        candidates: distinct keys of rows whose event lies before the arrival day.
        day_before: the raw impressions of the day before.
        context: that day's context.
    """
    if candidates.is_empty():
        return nothing_before()
    rows = day_before.join(candidates.lazy(), on=KEY, how="semi").collect(engine="streaming")
    unsound_rows = rows.with_columns(unsound(context).alias(_BEFORE))
    return unsound_rows.group_by(KEY).agg(pl.col(_BEFORE).all()).sort(KEY)
