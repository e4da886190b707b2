"""The top of tomorrow's lists: what most people would see first, and a few lists in full."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.report.formatting import count, plural, share, task
from tasks.report.view import Block, Cell, Head, Row, Section, Table, Text, fold


@dataclass(frozen=True)
class Lists:
    """What is shown of `top_k.parquet`.

    Attributes:
        videos: one mapping per video that often comes first: `video_id`, `first` and `listed` (number of lists),
            `watch_mean_s` (average over the lists it is in).
        num_videos: distinct videos in all lists.
        examples: user -> the head of that user's list, as mappings with the columns of the file.
        tasks: binary tasks with a probability column.
    """

    videos: Sequence[Mapping[str, Any]]
    num_videos: int
    examples: Mapping[int | str, Sequence[Mapping[str, Any]]]
    tasks: tuple[str, ...]


def scores(summary: Mapping[str, Any], lists: Lists | None) -> Section:
    """Return the section; `lists` is None where nothing serves."""
    if lists is None:
        text = f"Nothing was scored for {summary['day']}: no model has passed the gate yet."
        return Section("scores", "Top of tomorrow's scores", (Text(text, "warn"),))
    users = summary["users"]
    text = (
        f"{summary['model']} scored {plural(summary['pairs'], 'pair')} for {summary['day']}: {plural(users, 'user')} with "
        f"{plural(summary['pool'], 'video')} each. The lists hold {plural(lists.num_videos, 'different video')}."
    )
    blocks: list[Block] = [Text(text), _videos(lists, users)]
    if lists.examples:
        blocks.append(fold("A few lists", *(_list(user, rows, lists.tasks) for user, rows in lists.examples.items())))
    return Section("scores", "Top of tomorrow's scores", tuple(blocks))


def _videos(lists: Lists, users: int) -> Table:
    heads = (
        Head("Video"),
        Head("First in", "lists", numeric=True),
        Head("Listed in", "lists", numeric=True),
        Head("Predicted mean", "seconds", numeric=True),
    )
    rows = tuple(
        Row(
            (
                Cell(str(video["video_id"])),
                Cell(count(video["first"]), share(video["first"], users), numeric=True),
                Cell(count(video["listed"]), share(video["listed"], users), numeric=True),
                Cell(f"{video['watch_mean_s']:.1f}", numeric=True),
            )
        )
        for video in lists.videos
    )
    return Table("Videos that most often come first; seconds averaged over the lists they are in", heads, rows)


def _list(user: int | str, rows: Sequence[Mapping[str, Any]], tasks: tuple[str, ...]) -> Table:
    heads = (
        Head("Rank"),
        Head("Video", numeric=True),
        Head("Score", numeric=True),
        Head("Mean", "seconds", numeric=True),
        Head("Median", "seconds", numeric=True),
        *(Head(task(name).capitalize(), "probability", numeric=True) for name in tasks),
    )
    shown = tuple(
        Row(
            (
                Cell(str(row["rank"])),
                Cell(str(row["video_id"]), numeric=True),
                Cell(f"{row['score']:.3f}", numeric=True),
                Cell(f"{row['watch_mean']:.1f}", numeric=True),
                Cell(f"{row['watch_median']:.1f}", numeric=True),
                *(Cell(f"{row[f'p_{name}']:.3f}", numeric=True) for name in tasks),
            )
        )
        for row in rows
    )
    return Table(f"User {user}", heads, shown)
