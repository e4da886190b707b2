"""Column lineage against the code: shuffle one column of what the features stage reads, and see which columns change."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest

from tasks.core.cluster import NoCluster
from tasks.core.contract import FLAGS, conform
from tasks.core.days import Days
from tasks.core.layout import partition
from tasks.features.build import build_features
from tasks.features.config import FeatureConfig, FeatureGroup, Recency, Statistic
from tasks.features.schema import row_columns
from tasks.lineage.features import HISTORY, IMPRESSION_TABLE, ROWS, USER_TABLE, VIDEO_TABLE, FeatureLineage
from tasks.lineage.origins import Column, Lineage, is_direct

pytestmark = pytest.mark.slow

FIRST, NUM_DAYS, ROWS_PER_DAY = dt.date(2024, 3, 1), 3, 120
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
ID = "context_id"
"""Names every impression, so that rows can be told apart whatever is shuffled."""
CONFIG = FeatureConfig(
    groups={
        "user": FeatureGroup(keys=("user_id",), statistics=get_args(Statistic)),
        "video": FeatureGroup(keys=("video_id",), windows=(1,), statistics=("watch",)),
        "user_author": FeatureGroup(keys=("user_id", "author_id"), statistics=("skip",), recency=get_args(Recency)),
        "kind": FeatureGroup(keys=("music_id", "tag", "scene", "duration_bucket"), statistics=("ratio", "like")),
    },
    history_length=100,
)
Tables = Mapping[str, pl.DataFrame]


def days() -> list[dt.date]:
    return [FIRST + dt.timedelta(days=offset) for offset in range(NUM_DAYS)]


def world() -> dict[str, pl.DataFrame]:
    """Three arrival days; some rows belong to the day before, some lengths are known to the catalogue alone."""
    random, parts = np.random.default_rng(3), []
    for offset, day in enumerate(days()):
        n, start = ROWS_PER_DAY, round(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp() * 1000)
        event = start + random.integers(0, DAY_MS, n) - DAY_MS * (random.random(n) < 0.1)
        duration = random.choice([2_000, 5_000, 12_000, 30_000], n) + random.integers(0, 500, n)
        parts.append(
            pl.DataFrame(
                {
                    "arrival": [day] * n,
                    "user_id": random.integers(0, 12, n),
                    "video_id": random.integers(0, 15, n),
                    "event_time_ms": event,
                    "known_at_ms": np.maximum(event, start) + 1 + random.integers(0, HOUR_MS, n) // (1 + n),
                    "duration_ms": [
                        int(v) if u < 0.5 else None for u, v in zip(random.random(n), duration, strict=True)
                    ],
                    "watch_ms": (duration * random.choice([0.01, 0.3, 0.8, 1.0, 2.5], n)).astype(np.int64),
                    "scene": random.integers(0, 3, n),
                    "policy": random.choice(["standard", "random"], n),
                    "position": random.integers(0, 9, n),
                    "exposure_probability": random.random(n),
                    **{name: random.integers(0, 2, n).astype(np.int8) for name in FLAGS},
                    "long_view": [int(u < 0.4) if u < 0.8 else None for u in random.random(n)],
                    ID: [f"{offset}-{row}" for row in range(n)],
                }
            )
        )
    ids = range(15)
    videos = {
        "video_id": ids,
        "author_id": [i % 4 for i in ids],
        "upload_time_ms": [1_709_000_000_000 - i * 9 * DAY_MS for i in ids],
        "duration_ms": [1_500 + 3_000 * i for i in ids],
        "music_id": [i % 3 for i in ids],
        "tag": ["a", "b", "c"] * 5,
        "type": ["NORMAL", "AD", "AD"] * 5,
    }
    users = {"user_id": range(12), "activity": ["low", "mid", "high", "top"] * 3, "type": ["x", "y", "z"] * 4}
    return {IMPRESSION_TABLE: pl.concat(parts), USER_TABLE: pl.DataFrame(users), VIDEO_TABLE: pl.DataFrame(videos)}


def shuffled(tables: Tables, columns: Iterable[Column]) -> dict[str, pl.DataFrame]:
    """Give the values of some columns to other rows; of impressions, within their arrival day."""
    found = dict(tables)
    for table, name in columns:
        values = pl.col(name).shuffle(seed=5)
        found[table] = found[table].with_columns(values.over("arrival") if table == IMPRESSION_TABLE else values)
    return found


def built(folder: Path, tables: Tables) -> dict[str, pl.DataFrame]:
    """Return rows and past events of the features stage, one row per impression that is in them."""
    for (arrival,), rows in tables[IMPRESSION_TABLE].group_by("arrival"):
        path = partition(folder / "in/impressions", arrival)
        path.parent.mkdir(parents=True)
        conform(rows.drop("arrival").lazy(), "impressions", "test").sort("event_time_ms").collect().write_parquet(path)
    for table in (USER_TABLE, VIDEO_TABLE):
        name = Path(table).stem
        conform(tables[table].lazy(), name, "test").sort(f"{name[:-1]}_id").collect().write_parquet(
            folder / f"in/{name}.parquet"
        )
    (folder / "in/source.json").write_text(json.dumps({"timezone": "UTC", "name": "hand-made"}))
    first, validation, judge = days()
    roles = Days((first,), validation, (judge,), lookback=2)
    build_features(folder / "in", CONFIG, roles, folder / "out", NoCluster())
    rows = pl.read_parquet(folder / "out/rows/*/part.parquet", hive_partitioning=False)
    past = pl.read_parquet(folder / f"out/history/day={judge}.parquet")
    return {ROWS: rows, HISTORY: past.explode(pl.exclude("user_id"))}


def changed(before: pl.DataFrame, after: pl.DataFrame) -> set[str]:
    """Return the columns that differ on impressions that both hold."""
    both = before.join(after, on=ID, how="inner", suffix=" after")
    return {name for name in before.columns if name != ID and not both[name].equals(both[f"{name} after"])}


def impressions(*names: str) -> list[Column]:
    return [Column(IMPRESSION_TABLE, name) for name in names]


def users(*names: str) -> list[Column]:
    return [Column(USER_TABLE, name) for name in names]


def videos(*names: str) -> list[Column]:
    return [Column(VIDEO_TABLE, name) for name in names]


SHUFFLED = [
    impressions("user_id"),
    impressions("video_id"),
    impressions("event_time_ms"),
    impressions("duration_ms"),
    impressions("watch_ms"),
    impressions("scene", "profile_enter", "policy") + videos("author_id"),
    impressions("long_view", "click", "position") + videos("upload_time_ms"),
    impressions("known_at_ms", "like") + users("activity", "type") + videos("type"),
    impressions("hate", "comment", "exposure_probability") + videos("music_id"),
    impressions("follow", "forward") + videos("tag") + users("user_id"),
    videos("video_id"),
    videos("duration_ms"),
]
"""What is shuffled at a time: columns that hardly a column depends on together, since a build takes half a second."""


@dataclass
class Stage:
    """What the features stage is said to do, and what it does."""

    folder: Path
    said: Mapping[str, Lineage]
    plain: Tables
    schema: Mapping[str, list[str]]

    def __post_init__(self) -> None:
        self.observed = cache(self._observed)

    def _observed(self, columns: tuple[Column, ...]) -> dict[str, set[str]]:
        """Return table -> its columns that change when some columns of the input are shuffled."""
        found = built(
            self.folder / "-".join(f"{Path(table).stem}.{name}" for table, name in columns), shuffled(world(), columns)
        )
        return {table: changed(self.plain[table], found[table]) for table in self.said}


def mistakes(of: Lineage, seen: set[str], columns: tuple[Column, ...]) -> list[str]:
    """Return where what is said of some columns of the input and what changes with them differ."""
    may = {name for name, origins in of.fields.items() if {*columns} & {*origins, *of.whole}}
    must = {name for name, origins in of.fields.items() if any(is_direct(origins.get(one, "JOIN")) for one in columns)}
    return [
        *(f"{name} changes with {columns} and is not said to" for name in sorted(seen - may)),
        *(f"{name} is said to be made from {columns} and does not change" for name in sorted(must - seen)),
    ]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    tables, folder = world(), tmp_path_factory.mktemp("features")
    plain = built(folder / "plain", tables)
    of = FeatureLineage(CONFIG, "UTC", tables[USER_TABLE].columns, tables[VIDEO_TABLE].columns, [ID])
    schema = {name: list(pl.read_parquet_schema(folder / f"plain/out/{name}.parquet")) for name in ("users", "videos")}
    return Stage(folder, {ROWS: of.rows(**schema), HISTORY: of.history()}, plain, schema)


@pytest.mark.parametrize("columns", SHUFFLED, ids=lambda columns: "-".join(column.name for column in columns))
def test_exactly_the_columns_said_to_come_from_a_column_change_with_it(stage: Stage, columns: list[Column]) -> None:
    seen = stage.observed(tuple(columns))
    assert [found for table, of in stage.said.items() for found in mistakes(of, seen[table], tuple(columns))] == []


def test_a_lineage_that_says_too_little_or_too_much_is_found(stage: Stage) -> None:
    (watch,) = columns = tuple(impressions("watch_ms"))
    seen, of = stage.observed(columns)[ROWS], stage.said[ROWS]
    without = {column: entry for column, entry in of.fields["user_decayed_skip"].items() if column != watch}
    too_little = replace(of, fields={**of.fields, "user_decayed_skip": without})
    too_much = replace(of, fields={**of.fields, "hour": {**of.fields["hour"], watch: "TRANSFORMATION"}})
    assert mistakes(too_little, seen, columns) == [f"user_decayed_skip changes with {columns} and is not said to"]
    assert mistakes(too_much, seen, columns) == [f"hour is said to be made from {columns} and does not change"]


def test_every_column_is_shuffled_and_every_column_of_the_rows_says_where_it_comes_from(stage: Stage) -> None:
    columns = [Column(table, name) for table, frame in world().items() for name in frame.columns]
    shuffled_once = sorted(column for group in SHUFFLED for column in group)
    assert shuffled_once == sorted(column for column in columns if column.name not in ("arrival", ID))
    untold = set(row_columns(CONFIG, **stage.schema, context=[ID])) - stage.said[ROWS].fields.keys()
    assert untold == {"arrival_day"}, "the day of the partition: no column holds it"
