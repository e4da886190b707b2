"""Times since, and whether ever, against a scan of the raw impressions; found where planted; refused where unknowable."""

import datetime as dt
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import lightgbm
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml
from pydantic import ValidationError

from tasks.core.cluster import NoCluster
from tasks.core.days import HOUR_MS, Days
from tasks.core.files import hash_file, read_json
from tasks.core.layout import partition
from tasks.evaluate.metrics.classification import auc
from tasks.features import build, ranges, rows
from tasks.features.build import build_features
from tasks.features.candidates import candidates
from tasks.features.config import FeatureConfig, FeatureGroup, Recency, default_groups

Write = Callable[..., Path]
NUM_DAYS = 8
EVERY: tuple[Recency, ...] = get_args(Recency)
KEYS: dict[str, tuple[Any, ...]] = {
    "user_author": ("user_id", "author_id"),
    "user_video": ("user_id", "video_id"),
    "user_tag": ("user_id", "tag"),
    "user_music": ("user_id", "music_id"),
}


def _config(tags: Any = "joined") -> FeatureConfig:
    groups = {name: FeatureGroup(keys=keys, statistics=("skip",), recency=EVERY) for name, keys in KEYS.items()}
    groups["user"] = FeatureGroup(keys=("user_id",))
    groups["video"] = FeatureGroup(keys=("video_id",), recency=("last_seen", "last_watched", "watched_before"))
    return FeatureConfig(groups=groups, tags=tags, history_length=3)


@dataclass(frozen=True)
class World:
    """A small log: its zone, its first of eight days, the lookback, how tag lists count, and its grid of times."""

    timezone: str
    first: dt.date
    lookback: int
    tags: str
    grid_ms: int
    seed: int

    @property
    def days(self) -> Days:
        day = [self.first + dt.timedelta(days=i) for i in range(NUM_DAYS)]
        return Days((day[3], day[4], day[5]), day[6], (day[7],), self.lookback)

    def start_ms(self, day: dt.date) -> int:
        return round(dt.datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.timezone)).timestamp() * 1000)

    def impressions(self) -> pl.DataFrame:
        """Few users and videos on a coarse grid of times that holds midnight: ties, copies that agree or not, late rows."""
        random = np.random.default_rng(self.seed)
        parts = []
        for offset in range(NUM_DAYS):
            day = self.first + dt.timedelta(days=offset)
            start, end = self.start_ms(day), self.start_ms(day + dt.timedelta(days=1))
            n = 60
            event = start + random.integers(0, (end - start) // self.grid_ms, n) * self.grid_ms
            late = random.random(n) < 0.15
            event[late] -= random.integers(1, 3 * 24 * HOUR_MS // self.grid_ms, late.sum()) * self.grid_ms
            duration = random.choice([5_000, 12_000, 40_000], n)
            frame = pl.DataFrame(
                {
                    "arrival": [day] * n,
                    "user_id": random.integers(-2, 4, n),
                    "video_id": random.integers(0, 12, n),
                    "event_time_ms": event,
                    "known_at_ms": np.maximum((event // HOUR_MS + 1) * HOUR_MS, start + HOUR_MS),
                    "duration_ms": duration,
                    "watch_ms": (duration * random.choice([0, 0.1, 0.3, 1.0], n)).astype(np.int64),
                    "scene": 0,
                    "policy": "standard",
                    "position": 0,
                    "exposure_probability": 0.5,
                    **dict.fromkeys(("click", "like", "follow", "comment", "forward", "hate", "profile_enter"), 0),
                    "long_view": [None if u < 0.5 else int(u < 0.8) for u in random.random(n)],
                }
            )
            same, other = frame.sample(6, seed=offset), frame.sample(4, seed=offset + 9)
            parts += [frame, same, other.with_columns(watch_ms=pl.col("duration_ms") - pl.col("watch_ms"))]
        return pl.concat(parts)


WORLDS = {
    "plain": World("Asia/Shanghai", dt.date(2024, 3, 1), 3, "joined", HOUR_MS // 2, 1),
    "spring": World("America/New_York", dt.date(2024, 3, 4), 3, "each", HOUR_MS, 2),
    "autumn": World("Europe/Berlin", dt.date(2024, 10, 21), 9, "joined", HOUR_MS // 4, 3),
}


@dataclass(frozen=True)
class Built:
    world: World
    impressions: pl.DataFrame
    validated: Path
    out: Path


@pytest.fixture(scope="module", params=WORLDS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, write_validated: Write) -> Built:
    world, folder = WORLDS[request.param], tmp_path_factory.mktemp(request.param)
    impressions = world.impressions()
    validated = write_validated(folder / "validated", impressions, timezone=world.timezone)
    out = build_features(validated, _config(world.tags), world.days, folder / "features", NoCluster()).folder
    return Built(world, impressions, validated, out)


def _events(built: Built, videos: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the raw impressions as dictionaries: author, music, tags and labels by hand, copies within a day merged."""
    catalogue = {row["video_id"]: row for row in videos.iter_rows(named=True)}
    merged: dict[Any, dict[str, Any]] = {}
    for row in built.impressions.iter_rows(named=True):
        played, length, video = row["watch_ms"], row["duration_ms"], catalogue[row["video_id"]]
        valid = played >= length if length <= 7_000 else played > 7_000
        long = row["long_view"] if row["long_view"] is not None else played >= min(length, 18_000)
        event = merged.setdefault(
            (row["arrival"], row["user_id"], row["video_id"], row["event_time_ms"]),
            row | {name: video[name] for name in ("author_id", "music_id", "tag")} | {"valid": 0, "skip": 0, "long": 0},
        )
        event["valid"] |= int(valid)
        event["skip"] |= int(played < min(3_000, length))
        event["long"] |= int(long)
    return list(merged.values())


def _shared(event: dict[str, Any], row: dict[str, Any], key: str, tags: str) -> int:
    """Return how many values of a key an event shares with a row."""
    if row[key] is None or event[key] is None:
        return 0
    if key == "tag" and tags == "each":
        return len(set(row[key].split(",")) & set(event[key].split(",")))
    return int(row[key] == event[key])


def _expected(
    row: dict[str, Any], events: list[dict[str, Any]], name: str, keys: tuple[str, ...], world: World
) -> Iterator[tuple[str, float]]:
    """Yield every column of one row by its definition."""
    start, day = world.start_ms(row["state_day"]), row["state_day"]
    known = [e for e in events
             if e["known_at_ms"] <= start and 1 <= (day - e["arrival"]).days <= world.lookback]  # fmt: skip
    mine = [(e, math.prod(_shared(e, row, key, world.tags) for key in keys)) for e in known]
    mine = [(e, times) for e, times in mine if times]
    days = max(world.lookback, 7)
    for what, label in (("last_seen", None), ("last_watched", "valid"), ("last_skipped", "skip")):
        gaps = [start - e["event_time_ms"] for e, _ in mine if label is None or e[label]]
        hours = min(gaps) / HOUR_MS if gaps else 24 * world.lookback
        yield f"{name}_{what}_gap", math.log1p(hours) / 5
        yield f"{name}_{what}_absent", float(not gaps)
        edges = [round(15 * 60_000 * (days * 96) ** (i / 14)) for i in range(15)]
        yield f"{name}_{what}", 1 + sum(min(gaps) >= edge for edge in edges) if gaps else 0
    yield f"{name}_seen_before", min(sum(times for _, times in mine), 3)
    yield f"{name}_watched_before", min(sum(times for e, times in mine if e["long"]), 3)
    if "user_id" in keys:
        yield f"{name}_adjacent", _adjacent(row, known, keys, world.tags)


def _adjacent(row: dict[str, Any], known: list[dict[str, Any]], keys: tuple[str, ...], tags: str) -> int:
    of_user = [(e["event_time_ms"], e["video_id"]) for e in known if e["user_id"] == row["user_id"]]
    if not of_user:
        return 0
    last = [e for e in known if e["user_id"] == row["user_id"] and (e["event_time_ms"], e["video_id"]) == max(of_user)]
    if not all(_shared(last[0], row, key, tags) for key in keys):
        return 0
    return 1 if any(e["valid"] for e in last) else 2 if any(e["skip"] for e in last) else 0


@pytest.mark.slow
def test_every_column_equals_a_scan_of_the_log(built: Built, videos: pl.DataFrame) -> None:
    events, days = _events(built, videos), built.world.days
    values: dict[str, set[float]] = {}
    for day in (days.fit[0], days.validation, days.judge[0]):
        for row in pl.read_parquet(partition(built.out / "rows", day)).iter_rows(named=True):
            for name, keys in [*KEYS.items(), ("video", ("video_id",))]:
                for column, value in _expected(row, events, name, keys, built.world):
                    if column in row:
                        assert row[column] == pytest.approx(value, abs=1e-6), (column, row)
                        values.setdefault(column, set()).add(row[column])
    assert values.keys() == {name for name in row if any(f"_{what}" in name for what in EVERY)}
    assert values["user_video_seen_before"] == values["user_author_watched_before"] == {0, 1, 2, 3}
    assert values["user_author_adjacent"] == {0, 1, 2}
    assert min(len(found) for column, found in values.items() if column.startswith("user_author")) > 1


@pytest.mark.slow
def test_candidates_have_the_values_of_rows(built: Built) -> None:
    rows = pl.read_parquet(partition(built.out / "rows", built.world.days.judge[0]))
    rows = rows.filter(pl.col("state_day") == built.world.days.judge[0])
    asked = rows.select("user_id", "video_id", "scene", "event_time_ms", "duration_ms").lazy()
    columns = [name for name in rows.columns if any(f"_{what}" in name for what in EVERY)]
    served = candidates(built.out, asked, built.world.days.judge[0]).collect()
    assert served.select(columns).equals(rows.select(columns))


def _states(out: Path) -> dict[str, str]:
    return {str(path.relative_to(out)): hash_file(path) for path in sorted(out.glob("state/*/*.parquet"))}


@pytest.mark.slow
@pytest.mark.parametrize("built", ["spring"], indirect=True)
def test_order_of_rows_and_of_days_is_not_seen(
    built: Built, tmp_path: Path, write_validated: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    shuffled = built.impressions.sample(fraction=1, shuffle=True, seed=5)
    validated = write_validated(tmp_path / "validated", shuffled, timezone=built.world.timezone)
    for path in validated.glob("impressions/*/part.parquet"):
        pl.read_parquet(path, hive_partitioning=False).sample(fraction=1, shuffle=True, seed=6).write_parquet(path)
    lookback = build._lookback
    monkeypatch.setattr(build, "_lookback", lambda *arguments: lookback(*arguments)[::-1])
    out = build_features(validated, _config(built.world.tags), built.world.days, tmp_path / "out", NoCluster()).folder
    assert _states(out) == _states(built.out)


@pytest.mark.slow
@pytest.mark.parametrize("built", ["spring"], indirect=True)
def test_few_rows_at_a_time_give_what_all_of_a_day_give(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days, config = built.world.days, _config(built.world.tags)
    keys = ("author_id", "user_id")
    config = config.model_copy(update={"groups": config.groups | {"author_user": FeatureGroup(keys=keys)}})
    held: list[int] = []
    ordered = rows._sorted

    def counted(some: pl.LazyFrame) -> pl.DataFrame:
        held.append((found := ordered(some)).height)
        return found

    monkeypatch.setattr(rows, "_sorted", counted)
    monkeypatch.setattr(rows, "ROW_GROUP", 20)
    whole = build_features(built.validated, config, days, tmp_path / "whole", NoCluster()).folder
    largest = max(held)
    held.clear()
    monkeypatch.setattr(ranges, "MOST_ROWS", 25)
    parts = build_features(built.validated, config, days, tmp_path / "parts", NoCluster()).folder
    assert max(held) < 50 < largest
    for day in days.modelled:
        assert hash_file(partition(parts / "rows", day)) == hash_file(partition(whole / "rows", day))
    parted = set()
    for file in [*whole.glob("daily/*/*.parquet"), *whole.glob("state/*/*.parquet"), *whole.glob("history/*.parquet")]:
        mine, same = pl.read_parquet(parts / file.relative_to(whole)), pl.read_parquet(file)
        assert (mine.sort(keys) if file.stem == "author_user" else mine).equals(same), file
        if pq.ParquetFile(parts / file.relative_to(whole)).num_row_groups > 1:
            parted.add((file.relative_to(whole).parts[0], file.stem.partition("=")[0]))
    of_users = {name for name, group in config.groups.items() if "user_id" in group.keys}
    assert parted >= {("daily", name) for name in (*of_users, "last_events")}
    assert parted >= {("history", "day"), *(("state", name) for name in of_users - {"user"})}  # whose sums are few


@pytest.mark.slow
@pytest.mark.parametrize("built", ["autumn"], indirect=True)
def test_the_lookback_is_part_of_the_schema(built: Built, tmp_path: Path) -> None:
    days = built.world.days
    longer = Days(days.fit, days.validation, days.judge, days.lookback + 1)
    out = build_features(built.validated, _config(built.world.tags), longer, tmp_path / "out", NoCluster()).folder
    before, after = read_json(built.out / "schema.json"), read_json(out / "schema.json")
    assert (before["lookback_days"], after["lookback_days"]) == (days.lookback, days.lookback + 1)
    assert before["config"] == after["config"] and before["config_hash"] != after["config_hash"]
    assert _states(out).keys() == _states(built.out).keys()


@pytest.mark.slow
def test_the_documented_groups_are_the_default_ones_and_two_pairs(tmp_path: Path, write_validated: Write) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "features.md").read_text()
    (example,) = re.findall(r"^```yaml\n(features:\n  groups:.*?)^```", text, re.MULTILINE | re.DOTALL)
    config = FeatureConfig.model_validate(yaml.safe_load(example)["features"])
    pairs = {name: group for name, group in config.groups.items() if group.recency}
    assert {name: group for name, group in config.groups.items() if name not in pairs} == default_groups()
    world = WORLDS["autumn"]
    validated = write_validated(tmp_path / "validated", world.impressions(), timezone=world.timezone)
    out = build_features(validated, config, world.days, tmp_path / "out", NoCluster()).folder
    columns = pl.read_parquet(partition(out / "rows", world.days.judge[0])).columns
    named = re.findall(r"`(user_author_\w+)`", text)
    assert len(named) == 5 and set(named) <= set(columns)


def test_a_group_without_recency_is_written_as_before() -> None:
    group = FeatureGroup(keys=("user_id", "author_id"))
    assert not {"recency", "state"} & group.model_dump().keys()
    assert "recency" in group.model_copy(update={"recency": ("last_seen",)}).model_dump()


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"state": "live"}, "'live' is refused: it holds the labels of earlier rows of the same day"),
        ({"state": "request"}, "'request' is refused: .* batches that are scored have no time of request"),
        ({"state": "yesterday"}, "day_start"),
        ({"recency": ["last_seen", "last_seen"]}, "recency names last_seen twice"),
        ({"keys": ["author_id"], "recency": ["adjacent"]}, r"the keys \['author_id'\] hold no user_id"),
        ({"recency": ["last_liked"]}, "last_watched"),
    ],
)
def test_what_nobody_can_know_is_refused(block: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FeatureGroup.model_validate({"keys": ["user_id", "author_id"], **block})


def _planted(high: Callable[[list[int], int, int], bool]) -> tuple[pl.DataFrame, World]:
    """Return eight days of 300 users who see three of eight authors' videos a day, watched to the end where `high`.

    Args:
        high: of earlier times of the pair, the start of the day and the time now.
    """
    world, random = World("Asia/Shanghai", dt.date(2024, 3, 1), 7, "joined", 1, 0), np.random.default_rng(3)
    seen: dict[tuple[int, int], list[int]] = {}
    rows = []
    for offset in range(NUM_DAYS):
        day = world.first + dt.timedelta(days=offset)
        start = world.start_ms(day)
        for user in range(300):
            for time in np.sort(random.choice(24 * HOUR_MS, 3, replace=False)).tolist():
                video = int(random.integers(1, 9))
                before, now = seen.setdefault((user, video), []), start + time
                watched = 40_000 if high(before, start, now) else 1_000
                rows.append((day, user, video, now, (now // HOUR_MS + 1) * HOUR_MS, watched))
                before.append(now)
    names = ("arrival", "user_id", "video_id", "event_time_ms", "known_at_ms", "watch_ms")
    frame = pl.DataFrame(rows, names, orient="row")
    flags = dict.fromkeys(("click", "like", "follow", "comment", "forward", "hate", "profile_enter"), pl.lit(0))
    return frame.with_columns(
        duration_ms=pl.lit(40_000), scene=pl.lit(0), policy=pl.lit("standard"), position=pl.lit(0),
        exposure_probability=pl.lit(0.5), long_view=pl.lit(None, dtype=pl.Int8), **flags,
    ), world  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("high", "found"),
    [
        (lambda before, start, now: not [t for t in before if start - t <= 48 * HOUR_MS and t < start], True),
        (lambda before, start, now: any(t >= start for t in before), False),
    ],
    ids=["last seen two days before the day", "seen earlier on the same day"],
)
def test_trees_find_a_clock_that_the_morning_shows_and_no_other(
    tmp_path: Path, write_validated: Write, high: Callable[..., bool], found: bool
) -> None:
    impressions, world = _planted(high)
    config = FeatureConfig(
        groups={
            "user": FeatureGroup(keys=("user_id",)),
            "video": FeatureGroup(keys=("video_id",)),
            "user_video": FeatureGroup(keys=("user_id", "video_id"), statistics=(), recency=EVERY),
        }
    )
    validated = write_validated(tmp_path / "validated", impressions)
    out = build_features(validated, config, world.days, tmp_path / "out", NoCluster()).folder
    columns = [name for name in read_json(out / "schema.json")["dense"] if name.startswith("user_video")]
    columns += [f"user_video_{what}" for what in EVERY]
    fit, judged = (
        pl.concat(pl.read_parquet(partition(out / "rows", day)) for day in days)
        for days in (world.days.fit, world.days.judge)
    )
    options = {
        "objective": "binary",
        "verbose": -1,
        "num_leaves": 7,
        "num_threads": 1,
        "seed": 0,
        "deterministic": True,
    }
    trees = lightgbm.train(
        options, lightgbm.Dataset(fit.select(columns).to_numpy(), fit["long_view"].to_numpy()), num_boost_round=40
    )
    score = np.asarray(trees.predict(judged.select(columns).to_numpy()))
    accuracy = auc(judged["long_view"].to_numpy(), score).value
    assert 0.1 < judged["long_view"].mean() < 0.9
    assert accuracy > 0.98 if found else abs(accuracy - 0.5) < 0.1, accuracy
