"""Labels of one impression, in integer milliseconds, as expressions over the contract's columns.

Recorded labels pass through; the others follow the published rules. On the rules alone
finish => long_view => valid_play => not skip.
"""

from typing import get_args

import polars as pl

from tasks.core.names import Label

SKIP_MS = 3_000
VALID_PLAY_MS = 7_000
LONG_VIEW_MS = 18_000

LABELS: tuple[str, ...] = get_args(Label)

_played, _length = pl.col("watch_ms"), pl.col("duration_ms")


def truncated_watch() -> pl.Expr:
    """Watch time without replays, min(play, duration), in ms."""
    return pl.min_horizontal(_played, _length)


def skip() -> pl.Expr:
    """Left within 3 s, or before the end of a shorter video."""
    return _played < pl.min_horizontal(pl.lit(SKIP_MS, dtype=pl.Int64), _length)


def valid_play() -> pl.Expr:
    """Played for more than 7 s, or to the end of a video of at most 7 s."""
    return pl.when(_length <= VALID_PLAY_MS).then(_played >= _length).otherwise(_played > VALID_PLAY_MS)


def long_view_rule() -> pl.Expr:
    """Played for at least 18 s, or to the end of a video of at most 18 s."""
    return pl.when(_length <= LONG_VIEW_MS).then(_played >= _length).otherwise(_played >= LONG_VIEW_MS)


def long_view() -> pl.Expr:
    """The recorded long view; the rule where nothing was recorded."""
    return pl.coalesce(pl.col("long_view"), long_view_rule().cast(pl.Int8))


def finish() -> pl.Expr:
    """Played at least once to the end."""
    return _played >= _length


def with_labels(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Add (or complete) every column of `LABELS` as Int8 0/1."""
    rules = {"skip": skip(), "valid_play": valid_play(), "long_view": long_view(), "finish": finish()}
    return rows.with_columns(rule.cast(pl.Int8).alias(name) for name, rule in rules.items())
