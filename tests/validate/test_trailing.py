"""Volume, nulls and drift against the days before."""

import math
from typing import Any

import polars as pl
import pytest

from tasks.core.contract import IMPRESSIONS
from tasks.validate import profile
from tasks.validate.config import Limits, TableRulesConfig
from tasks.validate.trailing import judge_against_trailing, judge_counts, population_stability_index
from tests.validate.by_hand import FIRST, clean_day

CONFIG = TableRulesConfig(drift_columns=("watch",))


def manifest(day: str, rows: int = 2000, watch: dict[str, int] | None = None, **nulls: int) -> dict[str, Any]:
    return {
        "day": day,
        "rows_in": rows,
        "rows_out": rows,
        "rows_quarantined": 0,
        "quarantined": {},
        "nulls_in": {column.name: nulls.get(column.name, 0) for column in IMPRESSIONS},
        "histograms": {"watch": watch or {"<= 1 s": rows // 2, "<= 3 s": rows // 2}},
    }


WEEK = [manifest(f"2022-04-2{i}") for i in range(1, 8)]


def statuses(day: dict[str, Any], before: list[dict[str, Any]], config: TableRulesConfig = CONFIG) -> dict[str, str]:
    found = judge_against_trailing(day, before, config)
    return {verdict.rule: max((v.status for v in found if v.rule == verdict.rule), key=len) for verdict in found}


def test_stability_index_of_two_levels_by_hand() -> None:
    p, q = (30.5 / 101, 70.5 / 101), (50.5 / 101, 50.5 / 101)
    by_hand = sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert population_stability_index({"a": 30, "b": 70}, {"a": 50, "b": 50}) == pytest.approx(by_hand, abs=1e-6)


def test_stability_index_is_zero_for_equal_shares_and_symmetric() -> None:
    assert population_stability_index({"a": 10, "b": 30}, {"b": 30, "a": 10}) == 0
    assert population_stability_index({"a": 9}, {"a": 4}) == 0
    one, other = {"a": 10, "b": 30, "c": 5}, {"a": 20, "c": 9}
    assert population_stability_index(one, other) == population_stability_index(other, one) > 0.5


@pytest.mark.parametrize(
    ("rows", "status"),
    [(2000, "passed"), (1000, "passed"), (900, "warning"), (401, "warning"), (399, "failed"), (4100, "warning"), (10_001, "failed")],
)  # fmt: skip
def test_volume_is_held_against_the_median(rows: int, status: str) -> None:
    outlier = [*WEEK[:-1], manifest("2022-04-27", rows=90_000)]
    config = CONFIG.model_copy(update={"min_drift_rows": 1})
    assert statuses(manifest("2022-04-28", rows=rows), outlier, config)["volume"] == status


@pytest.mark.parametrize(("nulls", "status"), [(0, "passed"), (100, "passed"), (101, "warning"), (601, "failed")])
def test_null_share(nulls: int, status: str) -> None:
    found = judge_against_trailing(manifest("2022-04-28", position=nulls), WEEK, CONFIG)
    assert {verdict.column: verdict.status for verdict in found if verdict.rule == "null_share"}["position"] == status


@pytest.mark.parametrize(("first", "status"), [(1000, "passed"), (1400, "warning"), (1800, "failed")])
def test_drift(first: int, status: str) -> None:
    day = manifest("2022-04-28", watch={"<= 1 s": first, "<= 3 s": 2000 - first})
    assert statuses(day, WEEK)["drift"] == status


def test_too_little_history_or_too_few_rows_are_not_judged_and_say_so() -> None:
    assert statuses(manifest("2022-04-28", rows=1), WEEK[:1]) == dict.fromkeys(
        ("volume", "null_share", "drift"), "skipped"
    )
    few = statuses(manifest("2022-04-28", rows=999), WEEK)
    assert few == {"volume": "warning", "null_share": "skipped", "drift": "skipped"}


def test_quarantined_share_and_all_null_columns() -> None:
    day = manifest("2022-04-28", scene=2000) | {
        "rows_quarantined": 401,
        "quarantined": {"bad_flag": 1, "negative_watch": 400},
    }
    failed = [verdict for verdict in judge_counts(day, CONFIG) if verdict.status == "failed"]
    assert [(verdict.rule, verdict.column) for verdict in failed] == [
        ("quarantined_share", ""),
        ("all_null_column", "scene"),
    ]
    assert failed[0].observed == "20.1% of 2,000 rows (negative_watch 400, bad_flag 1)"


def test_the_profile_adds_up_over_chunks() -> None:
    frame = clean_day(FIRST, rows=500)
    parts = [profile.histograms(frame[start : start + 77]) for start in range(0, 500, 77)]
    whole = profile.histograms(frame)
    assert profile.add_histograms(parts) == profile.add_histograms([whole])
    assert all(sum(counts.values()) == 500 for counts in whole.values())
    assert whole["watch"].get("<= 0 s", 0) == frame.filter(pl.col("watch_ms") == 0).height


def test_limits_must_be_ordered() -> None:
    with pytest.raises(ValueError, match=r"stop must not be below warn, got warn=2.0 stop=1.0"):
        Limits(warn=2, stop=1)
