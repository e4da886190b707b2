"""The rule "plausible": a mistaken unit stops the night and names itself, an odd log is spoken of, a usual one passes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.core.errors import ValidationFailed
from tasks.core.files import read_json
from tasks.core.partition_cache import Manifest
from tasks.validate.config import Expected, PlausibleConfig, ValidationConfig
from tasks.validate.plausible import judge_plausible
from tasks.validate.profile import add_histograms, magnitudes, median
from tasks.validate.stage import validate
from tests.validate.by_hand import DAYS, FIRST, RawFolder, clean_day, tree

WATCH, DURATION = pl.col("watch_ms"), pl.col("duration_ms")


def day(frame: pl.DataFrame) -> Manifest:
    """Return the part of a manifest that the rule reads."""
    replays = frame.filter((DURATION > 0) & (WATCH > DURATION)).height
    return {
        "day": FIRST.isoformat(),
        "rows_in": frame.height,
        "notes": {"replay": replays},
        "magnitudes": magnitudes(frame),
        "distinct": {name: frame[name].n_unique() for name in ("event_time_ms", "user_id", "video_id")},
    }


def found(frame: pl.DataFrame, config: PlausibleConfig | None = None) -> dict[str, str]:
    return {verdict.column: verdict.status for verdict in judge_plausible(day(frame), config or PlausibleConfig())}


@pytest.mark.parametrize(
    ("change", "failed", "warned"),
    [
        ([], [], []),
        ([WATCH * 1000], ["play_ratio", "watch"], ["replay"]),
        ([WATCH // 1000], ["play_ratio", "watch"], []),
        ([DURATION * 1000], ["play_ratio", "duration"], []),
        ([DURATION // 1000], ["play_ratio", "duration"], ["replay"]),
        ([WATCH * 1000, DURATION * 1000], ["duration", "watch"], []),
        ([WATCH // 200, DURATION // 200], ["duration"], ["watch"]),
        ([DURATION.alias("watch_ms"), WATCH.alias("duration_ms")], [], ["replay"]),
        ([pl.lit(FIRST.toordinal()).cast(pl.Int64).alias("event_time_ms")], [], ["event_time_ms"]),
        ([pl.lit(1).cast(pl.Int64).alias("user_id")], [], ["ids"]),
        ([pl.lit(1).cast(pl.Int64).alias("video_id")], [], ["ids"]),
        ([WATCH + 2 * DURATION], [], ["replay"]),
        ([WATCH * 60], [], ["play_ratio", "watch", "replay"]),
    ],
)  # fmt: skip
def test_what_a_day_looks_like_is_held_against_any_log(
    change: list[pl.Expr], failed: list[str], warned: list[str]
) -> None:
    statuses = found(clean_day(FIRST).with_columns(change))
    assert [name for name, status in statuses.items() if status == "failed"] == failed
    assert sorted(name for name, status in statuses.items() if status == "warning") == sorted(warned)


def test_limits_are_what_the_configuration_says() -> None:
    config = PlausibleConfig(play_ratio=Expected(low=10, high=20), min_ids=1_000, distinct_times=1, longer_share=0.001)
    assert found(clean_day(FIRST), config)["play_ratio"] == "failed"
    assert found(clean_day(FIRST), config)["ids"] == "warning"
    with pytest.raises(ValueError, match=r"high must not be below low, got low=2\.0 high=1\.0"):
        Expected(low=2, high=1)


def test_few_plays_are_noise_and_none_at_all_is_said() -> None:
    assert found(clean_day(FIRST).head(20)) == {"ids": "passed", "played": "skipped"}
    nobody = clean_day(FIRST).with_columns(watch_ms=pl.lit(0, pl.Int64))
    assert found(nobody) == {"ids": "passed", "played": "warning"}


@pytest.mark.parametrize("scale", [1e-3, 1.0, 37.0, 1e9])
def test_the_median_is_that_of_the_rows_to_a_twelfth(scale: float) -> None:
    played = clean_day(FIRST).with_columns(watch_ms=(WATCH * scale).cast(pl.Int64), duration_ms=DURATION)
    parts = [magnitudes(part) for part in played.iter_slices(400)]
    exact = float(np.median(played.filter(pl.col("watch_ms") > 0)["watch_ms"].to_numpy())) / 1000
    assert median(add_histograms(parts)["watch"]) == pytest.approx(exact, rel=1 / 12)
    assert add_histograms(parts) == add_histograms([magnitudes(played)])
    assert median({}) is None


def failure(raw: RawFolder, out: Path, **tables: Any) -> str:
    config = ValidationConfig.model_validate({"tables": {"max_quarantined_share": 1, "min_rows": 1} | tables})
    with pytest.raises(ValidationFailed) as stopped:
        validate(raw.path, config, DAYS, out)
    return str(stopped.value)


@pytest.mark.slow
def test_a_unit_read_twice_stops_the_night_and_names_itself(
    raw: RawFolder, out: Path, earlier: dict[str, bytes]
) -> None:
    for date in raw.frames:
        raw.change(date, lambda frame: frame.with_columns(duration_ms=DURATION // 1000))
    said = failure(raw, out)
    assert "plausible(play_ratio): a median play of " in said
    assert "watch and duration are of one unit and have been read in two: check duration_unit and watch_unit" in said
    assert tree(out) == earlier


@pytest.mark.slow
def test_sums_do_not_wrap_and_what_ingest_set_aside_is_counted(raw: RawFolder, out: Path) -> None:
    unknown = pl.when(pl.int_range(pl.len()) % 100 == 3).then(2**63 - 1).otherwise(WATCH).alias("watch_ms")
    for date in raw.frames:
        raw.change(date, lambda frame: frame.with_columns(unknown))
    source = read_json(raw.path / "source.json") | {"quarantined": {"implausible_time": 3}}
    (raw.path / "source.json").write_text(json.dumps(source))
    config = ValidationConfig.model_validate(
        {"rows": {"off": ["impossible_length"]}, "tables": {"drift": {"warn": 9, "stop": 9}}}
    )
    result = validate(raw.path, config, DAYS, out)
    assert result.quarantined["implausible_time"] == 3
    summary = read_json(out / "summary.json")
    assert summary["set_aside"] == {"implausible_time": 3}
    assert all(found["mean_watch_s"] > 2**63 / 1000 / 200 for found in summary["days"])
