"""Each row rule catches its own fault, and nothing is lost."""

from typing import Any, get_args

import polars as pl
import pytest

from tasks.validate.config import DurationRange, RowRuleName, RowRulesConfig
from tasks.validate.duplicates import mark, nothing_before
from tasks.validate.row_rules import ROW_RULES, RowContext, active, split
from tests.validate.by_hand import FIRST, HOUR, clean_day, start_of

START, END = start_of(FIRST), start_of(FIRST) + 24 * HOUR


def context(config: RowRulesConfig | None = None, **ids: pl.Series) -> RowContext:
    return RowContext(config or RowRulesConfig(), START, END, **ids)


def spoil(frame: pl.DataFrame, row: int, **values: Any) -> pl.DataFrame:
    """Return the frame with some values of one row replaced."""
    at = pl.int_range(pl.len()) == row
    return frame.with_columns(
        pl.when(at).then(pl.lit(value, dtype=frame.schema[name])).otherwise(name).alias(name)
        for name, value in values.items()
    )


def judge(frame: pl.DataFrame, where: RowContext) -> tuple[pl.DataFrame, pl.DataFrame]:
    return split(mark(frame, where, nothing_before()), where)


FAULTS: list[tuple[RowRuleName, dict[str, Any]]] = [
    ("null_key", {"user_id": None}),
    ("null_key", {"video_id": None}),
    ("null_key", {"event_time_ms": None}),
    ("null_key", {"known_at_ms": None}),
    ("implausible_time", {"event_time_ms": 0}),
    ("implausible_time", {"event_time_ms": START - 181 * 24 * HOUR}),
    ("negative_watch", {"watch_ms": -1}),
    ("negative_watch", {"watch_ms": -(2**63)}),
    ("negative_watch", {"watch_ms": None}),
    ("bad_flag", {"like": 2}),
    ("bad_flag", {"click": None}),
    ("bad_flag", {"long_view": -1}),
    ("unknown_scene", {"scene": -3}),
    ("unknown_scene", {"scene": None}),
    ("unknown_policy", {"policy": "curious"}),
    ("unknown_policy", {"policy": None}),
    ("bad_exposure", {"exposure_probability": 1.5}),
    ("bad_exposure", {"exposure_probability": float("nan")}),
    ("bad_exposure", {"exposure_probability": 0.0}),
    ("bad_exposure", {"exposure_probability": None, "position": -1}),
    ("future_event", {"event_time_ms": END + 1, "known_at_ms": END}),
    ("future_event", {"known_at_ms": END + 1}),
    ("wrong_day", {"event_time_ms": START - 2 * HOUR, "known_at_ms": START - 1}),
    ("wrong_day", {"event_time_ms": START - HOUR, "known_at_ms": START}),
    ("zero_duration", {"duration_ms": 0}),
    ("zero_duration", {"duration_ms": -5}),
    ("zero_duration", {"duration_ms": None}),
    ("impossible_length", {"watch_ms": 24 * HOUR + 1}),
    ("impossible_length", {"watch_ms": 2**63 - 1}),
    ("impossible_length", {"duration_ms": 2**63 - 1}),
    ("duration_range", {"duration_ms": 4_999}),
    ("duration_range", {"duration_ms": 401_000}),
]


@pytest.mark.parametrize(("rule", "values"), FAULTS)
def test_a_fault_is_caught_by_its_rule(rule: RowRuleName, values: dict[str, Any]) -> None:
    frame = spoil(clean_day(FIRST, rows=50), 20, **values)
    sound, quarantined = judge(frame, context())
    assert quarantined["reason"].to_list() == [rule]
    assert sound.height == 49
    untouched = quarantined.select(frame.columns)
    assert untouched.equals(frame[20:21])


def test_clean_rows_break_no_rule() -> None:
    sound, quarantined = judge(clean_day(FIRST), context())
    assert quarantined.is_empty()
    assert sound.equals(clean_day(FIRST))


@pytest.mark.parametrize(
    "values",
    [
        {"duration_ms": 5_000},
        {"duration_ms": 400_999},
        {"exposure_probability": 1.0},
        {"long_view": None},
        {"position": None, "exposure_probability": None},
        {"known_at_ms": END},
        {"watch_ms": 0},
        {"watch_ms": 10_000_000},
        {"watch_ms": 24 * HOUR},
    ],
)
def test_values_at_the_edge_are_kept(values: dict[str, Any]) -> None:
    assert judge(spoil(clean_day(FIRST, rows=50), 20, **values), context())[1].is_empty()


def test_ids_that_the_side_tables_lack() -> None:
    frame = spoil(spoil(clean_day(FIRST, rows=50), 3, user_id=7_001), 4, video_id=7_002)
    where = context(missing_users=pl.Series([7_001]), missing_videos=pl.Series([7_002]))
    assert judge(frame, where)[1]["reason"].to_list() == ["missing_user", "missing_video"]


def test_known_scenes_and_play_ratio_are_asked_for_only_when_configured() -> None:
    frame = spoil(spoil(clean_day(FIRST, rows=50), 3, scene=99), 4, duration_ms=10_000, watch_ms=60_000)
    assert judge(frame, context())[1].is_empty()
    strict = RowRulesConfig(known_scenes=(0, 1, 2), max_play_ratio=5)
    assert judge(frame, context(strict))[1]["reason"].to_list() == ["unknown_scene", "impossible_play"]


def test_a_rule_that_is_off_takes_nothing() -> None:
    frame = spoil(clean_day(FIRST, rows=50), 3, duration_ms=0)
    config = RowRulesConfig(off=("zero_duration", "duration_range"))
    assert judge(frame, context(config))[1].is_empty()


def test_without_the_duration_filter_every_positive_duration_is_kept() -> None:
    frame = spoil(spoil(clean_day(FIRST, rows=50), 3, duration_ms=1), 4, duration_ms=0)
    config = RowRulesConfig(duration_range=None)
    assert judge(frame, context(config))[1]["reason"].to_list() == ["zero_duration"]


def test_the_first_reason_follows_the_priority_and_all_are_listed() -> None:
    frame = spoil(clean_day(FIRST, rows=50), 3, duration_ms=0, watch_ms=-1, like=7)
    _, quarantined = judge(frame, context())
    assert quarantined["reason"].to_list() == ["negative_watch"]
    assert quarantined["reasons"].to_list() == [["negative_watch", "bad_flag", "zero_duration", "duration_range"]]


def test_configuration_names_exactly_the_rules_there_are() -> None:
    assert get_args(RowRuleName) == tuple(name for name, rule in ROW_RULES.items() if rule.level == "quarantine")


def test_notes_count_late_slow_and_replayed_rows_and_keep_them() -> None:
    frame = clean_day(FIRST, rows=50)
    frame = spoil(frame, 0, event_time_ms=START - 1, known_at_ms=START + HOUR)
    frame = spoil(frame, 9, duration_ms=10_000, watch_ms=10_001)
    assert judge(frame, context())[1].is_empty()
    counts = frame.select(rule.sum().alias(name) for name, rule in active(context(), "note").items()).row(0, named=True)
    assert counts == {"late_row": 1, "slow_log": 1, "replay": 1}


def test_the_duration_filter_names_itself() -> None:
    assert DurationRange(min_s=5, max_s=240).name == "duration_5_240s"
    with pytest.raises(ValueError, match="min_s must not exceed max_s, got 9 > 8"):
        DurationRange(min_s=9, max_s=8)
