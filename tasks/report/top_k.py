"""Read the head of tomorrow's lists: counts and whole milliseconds, so that equal files give equal numbers."""

from pathlib import Path

import polars as pl

from tasks.report.config import ReportConfig
from tasks.report.sections.scores import EVERYWHERE, Concentration, ListedVideo, ListRow, Lists


def read_lists(top_k: Path, config: ReportConfig) -> Lists:
    """Summarise `top_k.parquet` without holding it in memory.

    Args:
        top_k: user_id, rank, video_id, score, watch_mean, watch_median and one `p_<task>` per binary task.
        config: how much of it is shown.
    """
    lists = pl.scan_parquet(top_k)
    milliseconds = (pl.col("watch_mean").cast(pl.Float64) * 1000).round().cast(pl.Int64).sum()
    videos = lists.group_by("video_id").agg(
        first=(pl.col("rank") == 1).sum(), listed=pl.len(), milliseconds=milliseconds
    )
    often = (
        videos.sort(["first", "listed", "video_id"], descending=[True, True, False])
        .head(config.top_videos)
        .select("video_id", "first", "listed", watch_mean_s=pl.col("milliseconds") / 1000 / pl.col("listed"))
    )
    users = lists.select(pl.col("user_id").unique().bottom_k(config.example_users)).collect()["user_id"].sort()
    shown = lists.filter(pl.col("user_id").is_in(users.implode()) & (pl.col("rank") <= config.example_length))
    examples = shown.sort("user_id", "rank").collect()
    tasks = {name: name.removeprefix("p_") for name in examples.columns if name.startswith("p_")}
    columns = ("rank", "video_id", "score", "watch_mean", "watch_median")
    heads: dict[int | str, list[ListRow]] = {user: [] for user in users}
    for row in examples.to_dicts():
        probability = {task: row[name] for name, task in tasks.items()}
        heads[row["user_id"]].append(ListRow(**{name: row[name] for name in columns}, probability=probability))
    return Lists(
        videos=tuple(ListedVideo(**video) for video in often.collect().to_dicts()),
        num_videos=int(lists.select(pl.col("video_id").n_unique()).collect().item()),
        concentration=_concentration(lists),
        examples=heads,
        tasks=tuple(tasks.values()),
    )


def _concentration(lists: pl.LazyFrame) -> Concentration:
    """Count in whole numbers how often videos are listed: two lists share a video in n (n - 1) / (L (L - 1)) of all pairs."""
    num_lists = int(lists.select(pl.col("user_id").n_unique()).collect().item())
    listed = lists.group_by("video_id").len("times").collect()["times"].cast(pl.Int64)
    pairs = num_lists * (num_lists - 1)
    return Concentration(
        lists=num_lists,
        everywhere=int((listed >= EVERYWHERE * num_lists).sum()),
        most_listed=int(listed.top_k(10).sum()) / int(listed.sum()),
        shared=int((listed * (listed - 1)).sum()) / pairs if pairs else None,
    )
