"""The stage's copies of users and videos: the contract's columns and the String columns that become features."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tasks.core.contract import CONTENT, CONTENT_VECTOR, USERS, VIDEOS
from tasks.core.errors import ConfigError, ContractError
from tasks.core.files import writing
from tasks.features.config import FeatureConfig
from tasks.features.join import HELPERS
from tasks.features.partitions import write_parquet
from tasks.features.schema import row_columns

_VECTOR = pl.List(pl.Float32())


def write_side_tables(validated: Path, out: Path, config: FeatureConfig, context: Sequence[str]) -> None:
    """Write `users.parquet` and `videos.parquet` of the features folder, sorted by key.

    A String column that both tables have, or whose name a row already uses, gets the prefix `user_` or `video_`. Content
    vectors are carried where they are asked for.

    Args:
        validated: data/validated.
        out: data/features.
        config: features.
        context: further columns of impressions.

    Raises:
        ConfigError: if the configuration names a column that the table lacks.
        ContractError: if a key repeats, two columns end up under one name, or content holds what is no number.
    """
    users = _read(validated / "users.parquet", "user_id")
    videos = _read(validated / "videos.parquet", "video_id")
    of_users = _chosen(users, [column.name for column in USERS], config.user_columns, "features.user_columns")
    fixed = [column.name for column in VIDEOS]
    of_videos = _chosen(videos, fixed, config.video_columns, "features.video_columns")
    taken = {*row_columns(config, [], [], context), *HELPERS, *fixed, CONTENT_VECTOR, *(set(of_users) & set(of_videos))}
    users = _cut(users, [column.name for column in USERS], of_users, "user", taken)
    content = _content(videos, validated / "videos.parquet") if config.content else []
    videos = _cut(videos, fixed, of_videos, "video", taken).with_columns(content)
    both = (set(users.columns) & set(videos.columns)) | (set(users.columns[1:]) & taken)
    both |= set(context) & set(row_columns(config, [], []))
    if both:
        raise ContractError(f"{validated}: two tables or groups give a feature column {sorted(both)}: rename one")
    for name, table in (("users", users), ("videos", videos)):
        with writing(out / f"{name}.parquet") as temporary:
            write_parquet(table, temporary)


def _read(path: Path, key: str) -> pl.DataFrame:
    table = pl.read_parquet(path).sort(key)
    repeats = table.height - table[key].n_unique()
    if repeats:
        raise ContractError(f"{path}: {key} must be unique, but {repeats} rows repeat one")
    return table


def _chosen(table: pl.DataFrame, fixed: Sequence[str], wanted: Sequence[str] | str, option: str) -> list[str]:
    """Return the String columns of a side table that become features, sorted."""
    strings = sorted(name for name, dtype in table.schema.items() if dtype == pl.String and name not in fixed)
    if wanted == "all":
        return strings
    unknown = sorted(set(wanted) - set(strings))
    if unknown:
        raise ConfigError(f"{option}: no String column {', '.join(unknown)} (valid: {', '.join(strings)})")
    return sorted(wanted)


def _content(videos: pl.DataFrame, path: Path) -> list[pl.Series]:
    """Return the content vectors; an empty one is none."""
    if videos.schema.get(CONTENT) != _VECTOR:
        raise ConfigError(
            f"features.content: {path} has no column {CONTENT} of vectors, List(Float32): leave features.content out, or have the "
            "source give one"
        )
    vectors = videos.select(pl.when(pl.col(CONTENT).list.len() > 0).then(CONTENT).alias(CONTENT_VECTOR)).to_series()
    is_broken = vectors.list.eval(~pl.element().is_finite().fill_null(value=False)).list.any()
    broken = videos.filter(is_broken.fill_null(value=False))["video_id"]
    if len(broken):
        raise ContractError(
            f"{path}: the content of {len(broken)} videos holds null or infinite numbers (first: video {broken[0]}): give such "
            "videos null as their content"
        )
    return [vectors]


def _cut(table: pl.DataFrame, fixed: Sequence[str], extra: Sequence[str], prefix: str, taken: set[str]) -> pl.DataFrame:
    renamed = [pl.col(name).alias(f"{prefix}_{name}" if name in taken else name) for name in extra]
    return table.select(*fixed, *renamed)
