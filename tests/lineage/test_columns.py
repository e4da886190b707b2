"""What row rules and predictions are said to look at, against what they do."""

import polars as pl

from tasks.core.contract import polars_schema
from tasks.lineage.columns import rule_columns
from tasks.lineage.origins import Column, merged, through
from tasks.validate.config import RowRulesConfig
from tasks.validate.row_rules import EXACT, SAME_KEY, RowContext, split

DAY_MS = 86_400_000
SOUND = {
    "user_id": 1, "video_id": 2, "event_time_ms": 5 * DAY_MS + 1, "known_at_ms": 5 * DAY_MS + 2, "duration_ms": 9_000,
    "watch_ms": 4_000, "scene": 0, "policy": "standard", "position": 0, "exposure_probability": 0.5, "click": 0, "like": 0,
    "follow": 0, "comment": 0, "forward": 0, "hate": 0, "profile_enter": 0, "long_view": 0,
}  # fmt: skip
OTHERS = (None, -1, 7, 10**15)


def test_the_columns_that_decide_whether_a_row_is_kept_are_those_that_can_take_it_away() -> None:
    config = RowRulesConfig(off=("impossible_play",))
    context = RowContext(config, 5 * DAY_MS, 6 * DAY_MS, pl.Series([7]), pl.Series([7]))
    types = polars_schema("impressions")
    frame = pl.DataFrame([SOUND], schema=types).with_columns(pl.lit(False).alias(EXACT), pl.lit(False).alias(SAME_KEY))
    assert split(frame, context)[0].height == 1
    deciding = set()
    for name, dtype in types.items():
        for value in OTHERS:
            changed = frame.with_columns(pl.lit(value).cast(dtype, strict=False).alias(name))
            deciding |= {name} if split(changed, context)[0].height == 0 else set()
    said = {column.name for column in rule_columns(config, "t")}
    assert said == deciding == set(types)
    assert {column.name for column in rule_columns(RowRulesConfig(off=("impossible_play", "bad_flag")), "t")} == (
        deciding - {"click", "like", "follow", "comment", "forward", "hate", "profile_enter", "long_view"}
    )


def test_a_direct_way_goes_before_an_indirect_one_and_what_chose_still_chooses() -> None:
    a, b = Column("t", "a"), Column("t", "b")
    assert merged([{a: "JOIN", b: "FILTER"}, {a: "IDENTITY"}, {a: "GROUP_BY"}]) == {a: "IDENTITY", b: "FILTER"}
    assert merged([{a: "AGGREGATION"}, {a: "IDENTITY"}]) == {a: "AGGREGATION"}
    assert through({a: "IDENTITY", b: "JOIN"}, "AGGREGATION") == {a: "AGGREGATION", b: "JOIN"}
