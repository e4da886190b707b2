"""Columns of data/features by the columns of data/validated: read off the expressions and the schema that make them."""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from tasks.core import labels
from tasks.core.contract import CONTENT, CONTENT_VECTOR, IMPRESSIONS, VIDEOS
from tasks.features import history, recency
from tasks.features.config import FeatureConfig, FeatureGroup
from tasks.features.daily import UNIT
from tasks.features.join import context_columns
from tasks.features.schema import row_columns
from tasks.features.state import label
from tasks.lineage.origins import Column, Entry, Lineage, Origins, itself, merged, through

IMPRESSION_TABLE = "data/validated/impressions"
USER_TABLE = "data/validated/users.parquet"
VIDEO_TABLE = "data/validated/videos.parquet"
ROWS = "data/features/rows"
HISTORY = "data/features/history"


class FeatureLineage:
    """The features stage of one configuration.

    Args:
        config: of the stage.
        timezone: of the source.
        users: columns of data/validated/users.parquet.
        videos: columns of data/validated/videos.parquet.
        context: further columns of impressions.
    """

    def __init__(
        self,
        config: FeatureConfig,
        timezone: str,
        users: Sequence[str],
        videos: Sequence[str],
        context: Sequence[str] = (),
    ) -> None:
        self.config, self.context = config, tuple(context)
        self._users, self._videos = frozenset(users), frozenset(videos)
        by_video = _join(VIDEO_TABLE, "video_id")
        read: dict[str, Origins] = {
            name: itself(IMPRESSION_TABLE, name) for name in (*(c.name for c in IMPRESSIONS), *context)
        }
        read |= {c.name: {**itself(VIDEO_TABLE, c.name), **by_video} for c in VIDEOS[1:]}
        logged, catalogue = Column(IMPRESSION_TABLE, "duration_ms"), Column(VIDEO_TABLE, "duration_ms")
        read["duration_ms"] = {logged: "TRANSFORMATION", catalogue: "TRANSFORMATION", **by_video}
        self._known = read
        rules = {name: rule() for name in labels.LABELS if (rule := getattr(labels, name, None))}
        self._learn(rules)
        for step in context_columns(config, timezone):
            self._learn(step)
        played = [*labels.truncated_watch().meta.root_names(), "duration_ms"]
        self._statistics: dict[str, Origins] = {**self._known, **dict.fromkeys(UNIT, self._made(played))}

    def rows(self, users: Sequence[str], videos: Sequence[str]) -> Lineage:
        """Return the lineage of the examples.

        Args:
            users: columns of data/features/users.parquet.
            videos: columns of data/features/videos.parquet.
        """
        past: Origins = {Column(IMPRESSION_TABLE, "event_time_ms"): "WINDOW"}
        made: dict[str, Origins] = {
            **self._known,
            **self._of_users(users),
            **self._of_videos(videos),
            **dict.fromkeys(("event_day", "state_day"), self._made(["event_time_ms"])),
            "is_new_user": {**through(self._known["user_id"], "CONDITIONAL"), **past},
            "is_new_video": {**through(self._known["video_id"], "CONDITIONAL"), **past},
            "popularity": {**through(self._known["video_id"], "GROUP_BY"), **past},
        }
        for name, group in self.config.groups.items():
            made |= {column: merged([found, past]) for column, found in self._aggregates(name, group).items()}
        wanted = row_columns(self.config, users, videos, self.context)
        return Lineage({name: made[name] for name in wanted if name in made}, self._usable)

    def history(self) -> Lineage:
        """Return the lineage of users' past events; every column but the user is a list over events."""
        kept = {name: self._known[name] for name in ("user_id", "event_time_ms", *history.FIELDS, *self.context)}
        codes = {
            "feedback": self._made(history.feedback_code().meta.root_names()),
            "ratio_bucket": self._made(["watch_ms", "duration_ms"]),
            "gap_bucket": self._made(["event_time_ms"]),
        }
        order: Origins = {Column(IMPRESSION_TABLE, name): "SORT" for name in ("user_id", "event_time_ms", "video_id")}
        known: Origins = {Column(IMPRESSION_TABLE, "known_at_ms"): "FILTER"}
        return Lineage(kept | codes, merged([self._usable, order, known]))

    def users(self, columns: Sequence[str]) -> Lineage:
        """Return the lineage of data/features/users.parquet, which has these columns."""
        return Lineage({name: itself(USER_TABLE, self._named(name, "user", self._users)) for name in columns})

    def videos(self, columns: Sequence[str]) -> Lineage:
        """Return the lineage of data/features/videos.parquet, which has these columns."""
        return Lineage({name: itself(VIDEO_TABLE, self._named(name, "video", self._videos)) for name in columns})

    @property
    def _usable(self) -> Origins:
        return through(self._known["duration_ms"], "FILTER")

    def _learn(self, made: Mapping[str, pl.Expr]) -> None:
        self._known |= {name: self._made(expression.meta.root_names()) for name, expression in made.items()}

    def _made(self, roots: Iterable[str], entry: Entry = "TRANSFORMATION") -> Origins:
        return through(merged(self._known[root] for root in roots), entry)

    def _of_users(self, columns: Sequence[str]) -> dict[str, Origins]:
        by_user = _join(USER_TABLE, "user_id")
        return {name: {**found, **by_user} for name, found in self.users(columns[1:]).fields.items()}

    def _of_videos(self, columns: Sequence[str]) -> dict[str, Origins]:
        by_video = _join(VIDEO_TABLE, "video_id")
        further = [name for name in columns if name not in self._known]
        return {name: {**found, **by_video} for name, found in self.videos(further).fields.items()}

    def _named(self, column: str, prefix: str, given: frozenset[str]) -> str:
        """Return the name in the validated table: features put a prefix before names that both tables have."""
        if column == CONTENT_VECTOR:
            return CONTENT
        return column if column in given else column.removeprefix(f"{prefix}_")

    def _aggregates(self, name: str, group: FeatureGroup) -> dict[str, Origins]:
        """Return what the columns of a group are made from: the keys choose, the statistic is summed."""
        keys = merged(through(self._known[key], "GROUP_BY") for key in group.keys)
        made: dict[str, Origins] = {}
        for window in group.windows:
            made[f"{name}_{label(window)}_count"] = keys
            for statistic in group.statistics:
                summed = through(self._statistics[statistic], "AGGREGATION")
                made[f"{name}_{label(window)}_{statistic}"] = merged([keys, summed])
        for what in group.recency:
            found = merged([keys, *(through(self._known[column], "AGGREGATION") for column in _told_by(what))])
            made |= dict.fromkeys((f"{name}_{what}", f"{name}_{what}_gap", f"{name}_{what}_absent"), found)
        return made


def _told_by(what: str) -> tuple[str, ...]:
    """Return the columns of an event that a kind of recency looks at, beside the keys."""
    event = ("user_id", "video_id", "event_time_ms")
    if what == "adjacent":
        return (*event, "valid_play", "skip")
    told = {**recency.LAST, **recency.EVER}[what]  # type: ignore[index]
    return event if told is None else (*event, told)


def _join(table: str, key: str) -> dict[Column, Entry]:
    return {Column(IMPRESSION_TABLE, key): "JOIN", Column(table, key): "JOIN"}
