"""Second partition function: what was known of every key before a day began, from the sums of the lookback's days."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.core.days import midnight_ms
from tasks.core.files import hash_value, read_json, write_json, writing
from tasks.core.layout import partition
from tasks.core.partition_cache import MANIFEST, making, stored
from tasks.core.remote import Files
from tasks.features import history, recency
from tasks.features.config import FeatureConfig, FeatureGroup, Window
from tasks.features.daily import HISTORY_FILE, NEWEST_FILE, UNIT
from tasks.features.partitions import Built, code_key, write_parquet, write_parts
from tasks.features.ranges import BY_USER, EVERY, ranges_of_files

POPULARITY_DAYS = 7
WEIGHT_ONE = 1 << 20
"""Fixed-point unit of decay weights."""
KEY_TYPES: Mapping[str, pl.DataType] = {
    "user_id": pl.Int64(), "video_id": pl.Int64(), "author_id": pl.Int64(), "music_id": pl.Int64(),
    "tag": pl.String(), "scene": pl.Int16(), "duration_bucket": pl.Int16(),
}  # fmt: skip
POPULARITY_FILE = "popularity.parquet"
ABSENT_FILE = "absent.json"
"""What every dense column holds for a key that was not seen: count 0, and the prior as mean."""
Priors = Mapping[Window, Mapping[str, float]]
"""Window -> statistic -> global mean."""
_VIDEO = FeatureGroup(keys=("video_id",), statistics=())
_EMPTY_PRIOR: Mapping[str, float] = {"ratio": 0.5, "percentile": 0.5}


@dataclass(frozen=True)
class StateTask:
    """The state as known before a day.

    Attributes:
        day: the day whose rows will read it.
        daily: day and key of every daily partition of its lookback, oldest first.
        config: features.
        timezone: of the source.
        features: folder of the stage; daily partitions are read below it, state and history written.
        lookback: days that are looked back on, whether or not all of them are there.
        tags_key: hash of the catalogue's tag lists where the state depends on it.
    """

    day: dt.date
    daily: tuple[tuple[dt.date, str], ...]
    config: FeatureConfig
    timezone: str
    features: Path
    lookback: int
    tags_key: str = ""

    @property
    def videos(self) -> Path:
        return self.features / "videos.parquet"


@dataclass(frozen=True)
class Past:
    """The arrival days that a state may use.

    Attributes:
        folders: their daily partitions, oldest first.
        ages: days between each and the state's day, at least 1.
        half_life: in days, of decayed windows.
    """

    folders: tuple[Path, ...]
    ages: tuple[int, ...]
    half_life: float

    def weights(self, window: Window) -> list[int]:
        """Return the integer weight of each day in a window (fixed point when decayed)."""
        if window == "decayed":
            return [round(WEIGHT_ONE * 0.5 ** (age / self.half_life)) for age in self.ages]
        return [int(age <= window) for age in self.ages]


def unit(window: Window) -> int:
    """Return the fixed-point unit of a window's counts."""
    return WEIGHT_ONE if window == "decayed" else 1


def label(window: Window) -> str:
    """Return the part of a column name that tells the window."""
    return window if window == "decayed" else f"{window}d"


def column_names(name: str, group: FeatureGroup) -> list[str]:
    """Return the dense columns of a group, in order."""
    aggregates = [f"{name}_{label(w)}_{what}" for w in group.windows for what in ("count", *group.statistics)]
    return aggregates + recency.dense_columns(name, group)


def pairs_users(group: FeatureGroup) -> bool:
    """Tell whether a group has a key per user and something else, so many more than there are users."""
    return "user_id" in group.keys and len(group.keys) > 1


def state_files(task: StateTask) -> Files:
    """Return what `build_state` reads and writes."""
    daily = (partition(task.features / "daily", day).parent for day, _ in task.daily)
    state = partition(task.features / "state", task.day).parent
    return Files((task.videos, *daily), (state, history_file(task.features, task.day)))


def build_state(task: StateTask) -> Built:
    """Write state and history as known before a day began, unless they are there already."""
    inputs = {
        "daily": [[day.isoformat(), key] for day, key in task.daily],
        "config": hash_value([task.config.model_dump(exclude={"user_columns", "video_columns", "hour"})]),
        "timezone": task.timezone,
        **({"lookback": task.lookback} if task.config.has_recency else {}),
        "tags": task.tags_key,
        "code": code_key(),
    }
    key = hash_value(inputs)
    folder = partition(task.features / "state", task.day).parent
    recent = history_file(task.features, task.day)
    if stored(folder / MANIFEST, key, recent) is not None:
        return Built(task.day, key, reused=True)
    folders = tuple(partition(task.features / "daily", day).parent for day, _ in task.daily)
    past = Past(folders, tuple((task.day - day).days for day, _ in task.daily), task.config.half_life_days)
    with writing(recent) as temporary:
        _write_history(task, [folder / HISTORY_FILE for folder in past.folders], temporary)
    with making(folder, task.day, key) as (temporary, manifest):
        _write_groups(task, past, temporary)
        manifest["inputs"] = inputs
    return Built(task.day, key)


def history_file(features: Path, day: dt.date) -> Path:
    """Return the history file of a state day."""
    return features / "history" / f"day={day.isoformat()}.parquet"


def _write_history(task: StateTask, files: Sequence[Path], path: Path) -> None:
    length = task.config.history_length
    tables = (history.build_history(files, task.day, task.timezone, length, users) for users in _ranges_of_users(files))
    write_parts(tables, path)


def _write_groups(task: StateTask, past: Past, folder: Path) -> None:
    totals = [read_json(daily / MANIFEST)["totals"] for daily in past.folders]
    absent: dict[str, float] = {}
    for name, group in task.config.groups.items():
        priors = {window: window_means(totals, past.weights(window), group) for window in group.windows}
        _write_group(task, past, name, priors, folder / f"{name}.parquet")
        absent |= recency.absent(name, group, task.lookback)
        for window, means in priors.items():
            absent[f"{name}_{label(window)}_count"] = 0.0
            absent |= {f"{name}_{label(window)}_{statistic}": mean for statistic, mean in means.items()}
    write_parquet(popularity(past), folder / POPULARITY_FILE)
    write_json(folder / ABSENT_FILE, absent)


def _write_group(task: StateTask, past: Past, name: str, priors: Priors, path: Path) -> None:
    """Write the state of one group, sorted by its keys; where users are among them range by range of users, and so within each."""
    group = task.config.groups[name]
    files = [daily / f"{name}.parquet" for daily in past.folders]
    pools_tags = "tag" in group.keys and task.config.tags == "each"
    joined_tags = _joined_tags(task.videos) if pools_tags else None
    start_ms = midnight_ms(task.day, task.timezone)

    def table(users: pl.Expr) -> pl.DataFrame:
        sums = sum_windows(files, past, group, joined_tags, users)
        means = shrunken(sums, name, group, priors)
        if group.recency:
            last = _last_events(past, joined_tags, users) if "adjacent" in group.recency else None
            means = means.hstack(recency.before_day(sums, last, name, group, start_ms, task.lookback))
        return means.sort(group.keys)

    write_parts(map(table, _ranges_of_users(files) if "user_id" in group.keys else [EVERY]), path)


def _ranges_of_users(files: Sequence[Path]) -> list[pl.Expr]:
    """Return filters of users that part the rows of some files."""
    return ranges_of_files(files, pl.scan_parquet(list(files), hive_partitioning=False), BY_USER) if files else [EVERY]


def _last_events(past: Past, joined_tags: pl.LazyFrame | None, users: pl.Expr) -> pl.DataFrame:
    """Return the last event of all or some users, once for every list that holds one of its tags where lists pool them."""
    events = _concat([daily / NEWEST_FILE for daily in past.folders], recency.TYPES)
    last = recency.newest(events.filter(users))
    if joined_tags is None:
        return last
    single = last.lazy().with_columns(pl.col("tag").str.split(",")).explode("tag")
    return _as_joined(single, joined_tags).unique().collect()


def window_means(totals: Sequence[Mapping[str, int]], weights: Sequence[int], group: FeatureGroup) -> dict[str, float]:
    """Return the global mean of every statistic in one window: the prior of shrunken means."""
    count = sum(total["n"] * weight for total, weight in zip(totals, weights, strict=True))
    means: dict[str, float] = {}
    for statistic in group.statistics:
        weighted = sum(total[statistic] * weight for total, weight in zip(totals, weights, strict=True))
        means[statistic] = weighted / count / UNIT.get(statistic, 1) if count else _EMPTY_PRIOR.get(statistic, 0.0)
    return means


def sum_windows(
    files: Sequence[Path],
    past: Past,
    group: FeatureGroup,
    joined_tags: pl.LazyFrame | None = None,
    users: pl.Expr = EVERY,
) -> pl.DataFrame:
    """Return the windows' integer sums per key, of all users or some; columns `<window>_n` and `<window>_<statistic>`."""
    rows = _as_joined(_concat_weighted(files, past, group.windows, group, users), joined_tags)
    sums = []
    for window in group.windows:
        weight = pl.col(f"_{label(window)}")
        for what in ("n", *group.statistics):
            # fixed point times fixed point exceeds 64 bits from about 10^7 impressions of one key
            value = pl.col(what).cast(pl.Int128) if window == "decayed" else pl.col(what)
            sums.append((value * weight).sum().alias(f"{label(window)}_{what}"))
    sums += [pl.col(what).max() if what in recency.LAST else pl.col(what).sum() for what in recency.sums(group)]
    return rows.group_by(group.keys).agg(*sums).collect(engine="streaming")


def shrunken(sums: pl.DataFrame, name: str, group: FeatureGroup, priors: Priors) -> pl.DataFrame:
    """Return keys, log counts and shrunken means (sum + strength * prior) / (count + strength), as float32."""
    columns: list[pl.Expr] = [pl.col(key) for key in group.keys]
    for window in group.windows:
        count = pl.col(f"{label(window)}_n").cast(pl.Float64) / unit(window)
        columns.append(count.log1p().cast(pl.Float32).alias(f"{name}_{label(window)}_count"))
        for statistic in group.statistics:
            total = pl.col(f"{label(window)}_{statistic}").cast(pl.Float64) / (unit(window) * UNIT.get(statistic, 1))
            prior, strength = priors[window][statistic], group.prior_strength
            mean = (total + strength * prior) / (count + strength)
            columns.append(mean.cast(pl.Float32).alias(f"{name}_{label(window)}_{statistic}"))
    return sums.select(columns)


def popularity(past: Past) -> pl.DataFrame:
    """Return the trailing 7-day impressions of every video shown in the lookback (0 where it was shown earlier)."""
    counts = _concat_weighted([folder / "video.parquet" for folder in past.folders], past, (POPULARITY_DAYS,), _VIDEO)
    recent = (pl.col("n") * pl.col(f"_{label(POPULARITY_DAYS)}")).sum()
    return counts.group_by("video_id").agg(popularity=recent).collect(engine="streaming").sort("video_id")


def _concat_weighted(
    files: Sequence[Path], past: Past, windows: Sequence[Window], group: FeatureGroup, users: pl.Expr = EVERY
) -> pl.LazyFrame:
    """Scan one group's sums of all days, each day with its weight per window in a column `_<window>`."""
    names = [f"_{label(window)}" for window in windows]
    schema: dict[str, pl.DataType] = {key: KEY_TYPES[key] for key in group.keys}
    schema |= dict.fromkeys(("n", *group.statistics, *recency.sums(group), *names), pl.Int64())
    scans = [pl.LazyFrame(schema=schema)]
    for i, file in enumerate(files):
        weights = [pl.lit(past.weights(window)[i], dtype=pl.Int64) for window in windows]
        scan = pl.scan_parquet(file, hive_partitioning=False)
        scans.append(scan.with_columns(weight.alias(name) for weight, name in zip(weights, names, strict=True)))
    return pl.concat(scan.select(list(schema)) for scan in scans).filter(users)


def _concat(files: Sequence[Path], types: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Scan some columns of the files of all days."""
    scans = (pl.scan_parquet(file, hive_partitioning=False).select(list(types)) for file in files)
    return pl.concat([pl.LazyFrame(schema=types), *scans])


def _as_joined(rows: pl.LazyFrame, joined_tags: pl.LazyFrame | None) -> pl.LazyFrame:
    """Give what is known of single tags to every list that holds them, where lists pool their tags."""
    if joined_tags is None:
        return rows
    return rows.join(joined_tags, on="tag", how="inner").drop("tag").rename({"joined": "tag"})


def _joined_tags(videos: Path) -> pl.LazyFrame:
    """Return single tag -> every comma-joined tag list of the catalogue that holds it."""
    joined = pl.scan_parquet(videos).select(joined=pl.col("tag")).drop_nulls().unique()
    return joined.with_columns(tag=pl.col("joined").str.split(",").list.unique(maintain_order=True)).explode("tag")
