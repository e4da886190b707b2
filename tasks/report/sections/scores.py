"""The top of tomorrow's lists: what most people would see first, and a few lists in full."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.report.formatting import count, plural, share, task
from tasks.report.view import Cell, PageBlock, PageTable, Section, TableHead, TableRow, Text, fold
from tasks.score.summary import ScoreSummary

EVERYWHERE = 0.9
"""Share of all lists from which on a video counts as standing in nearly every one."""


@dataclass(frozen=True)
class ListedVideo:
    """A video that often comes first.

    Attributes:
        video_id: the video.
        first: lists that it heads.
        listed: lists that it is in.
        watch_mean_s: predicted mean, averaged over these.
    """

    video_id: int | str
    first: int
    listed: int
    watch_mean_s: float


@dataclass(frozen=True)
class ListRow:
    """One place of a user's list.

    Attributes:
        rank: from 1.
        video_id: the video.
        score: what the list is ordered by.
        watch_mean: seconds.
        watch_median: seconds.
        probability: binary task -> its probability.
    """

    rank: int
    video_id: int | str
    score: float
    watch_mean: float
    watch_median: float
    probability: Mapping[str, float]


@dataclass(frozen=True)
class Concentration:
    """How much alike the lists of different people are.

    Attributes:
        lists: how many there are.
        everywhere: videos that stand in at least `EVERYWHERE` of them.
        most_listed: share of all places that the ten most listed videos take.
        shared: videos that the lists of two people drawn at random have in common, in the mean; None with one list.
    """

    lists: int
    everywhere: int
    most_listed: float
    shared: float | None


@dataclass(frozen=True)
class Lists:
    """What is shown of `top_k.parquet`.

    Attributes:
        videos: those that most often come first.
        num_videos: distinct videos in all lists.
        concentration: how much alike they are.
        examples: user -> the head of that user's list.
        tasks: binary tasks with a probability column.
    """

    videos: Sequence[ListedVideo]
    num_videos: int
    concentration: Concentration
    examples: Mapping[int | str, Sequence[ListRow]]
    tasks: tuple[str, ...]


def scores(summary: ScoreSummary, lists: Lists | None) -> Section:
    """Return the section; `lists` is None where nothing serves."""
    if lists is None:
        text = f"Nothing was scored for {summary.day}: no model has passed the gate yet."
        return Section("scores", "Top of tomorrow's scores", (Text(text, "warn"),))
    users = summary.users
    videos = f"{plural(summary.pool, 'video')} each"
    if summary.proposer is not None:
        videos = f"what {summary.proposer} proposed to each, {plural(summary.pool, 'different video')}"
    text = (
        f"{summary.model} scored {plural(summary.pairs, 'pair')} for {summary.day}: {plural(users, 'user')} with "
        f"{videos}. The lists hold {plural(lists.num_videos, 'different video')}."
    )
    blocks: list[PageBlock] = [Text(text), Text(alike(summary, lists)), _videos(lists, users)]
    if lists.examples:
        blocks.append(fold("A few lists", *(_list(user, rows, lists.tasks) for user, rows in lists.examples.items())))
    return Section("scores", "Top of tomorrow's scores", tuple(blocks))


def crowded(summary: ScoreSummary, lists: Lists) -> bool:
    """Tell whether videos stand in nearly every list although there were others to choose."""
    return lists.concentration.everywhere > 0 and summary.pool > summary.top_k


def alike(summary: ScoreSummary, lists: Lists) -> str:
    """Say how much alike the lists of different people are."""
    found = lists.concentration
    said = (
        f"{plural(found.everywhere, 'video')} take a place in at least {EVERYWHERE:.0%} of the {plural(found.lists, 'list')}; the ten most "
        f"listed take {share(found.most_listed, 1)} of all places"
    )
    if found.shared is None:
        return f"{said}."
    chance = summary.top_k**2 / summary.pool
    return (
        f"{said}. Lists of two people have {found.shared:.1f} of {summary.top_k} videos in common; drawn from the pool at random "
        f"they would have {chance:.1f}."
    )


def _videos(lists: Lists, users: int) -> PageTable:
    heads = (
        TableHead("Video"),
        TableHead("First in", "lists", numeric=True),
        TableHead("Listed in", "lists", numeric=True),
        TableHead("Predicted mean", "seconds", numeric=True),
    )
    rows = tuple(
        TableRow(
            (
                Cell(str(video.video_id)),
                Cell(count(video.first), share(video.first, users), numeric=True),
                Cell(count(video.listed), share(video.listed, users), numeric=True),
                Cell(f"{video.watch_mean_s:.1f}", numeric=True),
            )
        )
        for video in lists.videos
    )
    return PageTable("Videos that most often come first; seconds averaged over the lists they are in", heads, rows)


def _list(user: int | str, rows: Sequence[ListRow], tasks: tuple[str, ...]) -> PageTable:
    heads = (
        TableHead("Rank"),
        TableHead("Video", numeric=True),
        TableHead("Score", numeric=True),
        TableHead("Mean", "seconds", numeric=True),
        TableHead("Median", "seconds", numeric=True),
        *(TableHead(task(name).capitalize(), "probability", numeric=True) for name in tasks),
    )
    shown = tuple(
        TableRow(
            (
                Cell(str(row.rank)),
                Cell(str(row.video_id), numeric=True),
                Cell(f"{row.score:.3f}", numeric=True),
                Cell(f"{row.watch_mean:.1f}", numeric=True),
                Cell(f"{row.watch_median:.1f}", numeric=True),
                *(Cell(f"{row.probability[name]:.3f}", numeric=True) for name in tasks),
            )
        )
        for row in rows
    )
    return PageTable(f"User {user}", heads, shown)
