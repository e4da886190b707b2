"""The rules that a single impression can break. Adding one: an entry here and its name in `config.RowRuleName`.

A rule's expression is true where the row breaks it and never null. The duplicate rules read the two columns that
`tasks.validate.duplicates` has marked.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from tasks.core.contract import FLAGS, IMPLAUSIBLE_TIME, KEY, POLICIES
from tasks.core.days import DAY_MS, HOUR_MS
from tasks.validate.config import RowRulesConfig

LONGEST_MS = DAY_MS
LATEST_MS = 180 * DAY_MS
EXACT, SAME_KEY = "_exact_duplicate", "_key_duplicate"
DUPLICATE_RULES = ("exact_duplicate", "key_duplicate")
_PREFIX = "_rule_"


@dataclass(frozen=True)
class RowContext:
    """What a rule may look at besides the row.

    Attributes:
        config: the row rules' configuration.
        start_ms, end_ms: the arrival day in the source's time zone, (start, end]: what is known at midnight arrived on
            the day that ends there.
        missing_users, missing_videos: ids of the day that the side tables do not hold.
    """

    config: RowRulesConfig
    start_ms: int
    end_ms: int
    missing_users: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.Int64))
    missing_videos: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.Int64))


@dataclass(frozen=True)
class RowRule:
    """One named rule.

    Attributes:
        level: "quarantine" sets the row aside; "note" only counts it.
        why: one sentence for the person who reads the report.
        broken: the expression, or None where the configuration switches the rule off.
    """

    level: Literal["quarantine", "note"]
    why: str
    broken: Callable[[RowContext], pl.Expr | None]


def _null_key(context: RowContext) -> pl.Expr:
    return pl.any_horizontal(pl.col(*KEY, "known_at_ms").is_null())


def _implausible_time(context: RowContext) -> pl.Expr:
    return pl.col("known_at_ms") - pl.col("event_time_ms") > LATEST_MS


def _negative_watch(context: RowContext) -> pl.Expr:
    return pl.col("watch_ms").is_null() | (pl.col("watch_ms") < 0)


def _bad_flag(context: RowContext) -> pl.Expr:
    required = pl.any_horizontal((~pl.col(*FLAGS).is_in([0, 1])).fill_null(True))
    return required | ~pl.col("long_view").is_in([0, 1]).fill_null(True)


def _unknown_scene(context: RowContext) -> pl.Expr:
    known = context.config.known_scenes
    scene = pl.col("scene")
    return scene.is_null() | (scene < 0 if known is None else ~scene.is_in(list(known)))


def _unknown_policy(context: RowContext) -> pl.Expr:
    return ~pl.col("policy").is_in(list(POLICIES)).fill_null(False)


def _bad_exposure(context: RowContext) -> pl.Expr:
    probability = pl.col("exposure_probability")
    impossible = probability.is_nan() | (probability <= 0) | (probability > 1)
    return (impossible | (pl.col("position") < 0).fill_null(False)).fill_null(pl.col("position") < 0)


def _future_event(context: RowContext) -> pl.Expr:
    event, known = pl.col("event_time_ms"), pl.col("known_at_ms")
    return (event > known) | (known > context.end_ms) | (event > context.end_ms)


def _wrong_day(context: RowContext) -> pl.Expr:
    return pl.col("known_at_ms") <= context.start_ms


def _zero_duration(context: RowContext) -> pl.Expr:
    return pl.col("duration_ms").is_null() | (pl.col("duration_ms") <= 0)


def _impossible_length(context: RowContext) -> pl.Expr:
    return (pl.col("watch_ms") > LONGEST_MS) | (pl.col("duration_ms") > LONGEST_MS).fill_null(False)


def _impossible_play(context: RowContext) -> pl.Expr | None:
    ratio = context.config.max_play_ratio
    return None if ratio is None else pl.col("watch_ms") > ratio * pl.col("duration_ms")


def _missing_user(context: RowContext) -> pl.Expr:
    return pl.col("user_id").is_in(context.missing_users.implode())


def _missing_video(context: RowContext) -> pl.Expr:
    return pl.col("video_id").is_in(context.missing_videos.implode())


def _duration_range(context: RowContext) -> pl.Expr | None:
    keep = context.config.duration_range
    return None if keep is None else ~pl.col("duration_ms").is_between(*keep.limits_ms)


ROW_RULES: dict[str, RowRule] = {
    "null_key": RowRule("quarantine", "user, video, event time or known-at time is null", _null_key),
    IMPLAUSIBLE_TIME: RowRule(
        "quarantine",
        "the time cannot be: more than 180 days before the row was known, or so far from all other days that it has none",
        _implausible_time,
    ),
    "exact_duplicate": RowRule(
        "quarantine", "the same row stands in the partition already, equal in every column", lambda _: pl.col(EXACT)
    ),
    "key_duplicate": RowRule(
        "quarantine",
        "another row has this user, video and event time: a sound row wins, then the earlier arrival, then the longer play; "
        "a row that arrived the day before also wins",
        lambda _: pl.col(SAME_KEY),
    ),
    "negative_watch": RowRule("quarantine", "watch time is negative or null", _negative_watch),
    "bad_flag": RowRule("quarantine", "a feedback flag is neither 0 nor 1", _bad_flag),
    "unknown_scene": RowRule("quarantine", "the scene is null, negative or not among the known ones", _unknown_scene),
    "unknown_policy": RowRule("quarantine", f"the policy is not one of {', '.join(POLICIES)}", _unknown_policy),
    "bad_exposure": RowRule("quarantine", "exposure probability outside (0, 1], or a negative position", _bad_exposure),
    "future_event": RowRule(
        "quarantine",
        "the event lies after the row was known, or either lies after the end of the arrival day",
        _future_event,
    ),
    "wrong_day": RowRule("quarantine", "the row was known before its arrival day had begun", _wrong_day),
    "zero_duration": RowRule("quarantine", "the duration is null, zero or negative", _zero_duration),
    "impossible_length": RowRule("quarantine", "watch time or duration is over 24 hours", _impossible_length),
    "impossible_play": RowRule("quarantine", "the play is longer than max_play_ratio durations", _impossible_play),
    "missing_user": RowRule("quarantine", "the user is not in the users table", _missing_user),
    "missing_video": RowRule("quarantine", "the video is not in the videos table", _missing_video),
    "duration_range": RowRule("quarantine", "the named filter: shorter or longer than the kept range", _duration_range),
    "late_row": RowRule(
        "note", "the event belongs to a day before the arrival day", lambda c: pl.col("event_time_ms") < c.start_ms
    ),
    "slow_log": RowRule(
        "note",
        "logged in a later hour than the event's: known more than an hour after it",
        lambda _: pl.col("known_at_ms") - pl.col("event_time_ms") > HOUR_MS,
    ),
    "replay": RowRule(
        "note",
        "played longer than the video lasts",
        lambda _: (pl.col("duration_ms") > 0) & (pl.col("watch_ms") > pl.col("duration_ms")),
    ),
}
"""Quarantine rules in order of priority (a row's `reason` is the first that it breaks), then notes."""


def active(context: RowContext, level: str) -> dict[str, pl.Expr]:
    """Return the expressions of one level that the configuration leaves on, in order of priority."""
    found = {}
    for name, rule in ROW_RULES.items():
        if rule.level == level and name not in context.config.off:
            expression = rule.broken(context)
            if expression is not None:
                found[name] = expression.fill_null(False)
    return found


def unsound(context: RowContext) -> pl.Expr:
    """Return the expression "breaks a quarantine rule other than being a duplicate"."""
    broken = [expression for name, expression in active(context, "quarantine").items() if name not in DUPLICATE_RULES]
    return pl.any_horizontal(broken) if broken else pl.lit(False)


def split(frame: pl.DataFrame, context: RowContext) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the sound rows, and the others with `reason` (the first rule broken) and `reasons` (all of them).

    Args:
        frame: impressions with the columns EXACT and SAME_KEY marked; both are dropped.
        context: the day's context.
    """
    rules = active(context, "quarantine")
    flags = [_PREFIX + name for name in rules]
    flagged = frame.with_columns(rule.alias(flag) for flag, rule in zip(flags, rules.values(), strict=True))
    broken = pl.any_horizontal(flags) if flags else pl.lit(False)
    sound = flagged.filter(~broken).drop(EXACT, SAME_KEY, *flags)
    named = [pl.when(pl.col(flag)).then(pl.lit(name)) for flag, name in zip(flags, rules, strict=True)]
    reasons = pl.concat_list(named).list.drop_nulls() if named else pl.lit([], dtype=pl.List(pl.String()))
    quarantined = flagged.filter(broken).with_columns(reasons.alias("reasons"))
    return sound, quarantined.with_columns(pl.col("reasons").list.first().alias("reason")).select(
        *sound.columns, "reason", "reasons"
    )
