"""What the table reads of the features stage: rows per arrival day, histories per state day, and what columns mean."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from tasks.core.contract import CONTENT_VECTOR
from tasks.core.days import midnight_ms
from tasks.core.errors import ConfigError, ContractError
from tasks.core.files import read_json
from tasks.core.layout import partition
from tasks.core.traits import Declared, declared
from tasks.features.history import CODES
from tasks.features.state import history_file
from tasks.features.traits import FILE as TRAITS_FILE
from tasks.features.traits import join_traits, told_by
from tasks.table.past import Past

CHUNK_ROWS = 65_536
"""Rows encoded at a time: bounds memory."""


@dataclass(frozen=True)
class FeatureDays:
    """The feature rows of some arrival days.

    Attributes:
        features: folder of the features stage.
        days: arrival days, in order.
    """

    features: Path
    days: Sequence[dt.date]


@dataclass(frozen=True)
class Aggregates:
    """The dense features that one group of `features.groups` makes of past impressions.

    Attributes:
        keys: columns whose values tell which impressions are counted.
        columns: the dense features.
    """

    keys: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class FeatureFolder:
    """The folder that the features stage wrote.

    Attributes:
        path: data/features.
        categorical: fields offered, in order.
        dense: dense features offered, in order.
        history_fields: raw identifiers that history events carry.
        history_length: events per history at most.
        timezone: of the source.
        context: further columns of impressions, among the categorical ones.
        groups: name -> aggregates of the past; other dense features are of the row itself.
        traits: sensitive attributes of users, which rows are joined with where they are asked for.
    """

    path: Path
    categorical: tuple[str, ...]
    dense: tuple[str, ...]
    history_fields: tuple[str, ...]
    history_length: int
    timezone: str
    context: tuple[str, ...] = ()
    groups: Mapping[str, Aggregates] = field(default_factory=dict)
    traits: Declared = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> "FeatureFolder":
        """Read the folder's own description.

        Raises:
            ContractError: if it is missing.
        """
        if not (path / "schema.json").is_file():
            raise ContractError(f"{path} holds no schema.json: run the features stage first")
        about: dict[str, Any] = read_json(path / "schema.json")
        return cls(
            path,
            tuple(column["name"] for column in about["categorical"]),
            tuple(about["dense"]),
            tuple(about["history"]["fields"]),
            int(about["history"]["length"]),
            about["timezone"],
            tuple(about.get("context", ())),
            {
                name: Aggregates(tuple(group["keys"]), tuple(about["dense_groups"][name]))
                for name, group in about["config"]["groups"].items()
            },
            declared(about),
        )

    def rows(self, day: dt.date) -> Path:
        """Return the file of one arrival day's rows.

        Raises:
            ContractError: if there is none.
        """
        path = partition(self.path / "rows", day)
        if not path.is_file():
            raise ContractError(f"{path} does not exist: the features stage has not built {day}")
        return path

    def files(self, day: dt.date, columns: Iterable[str]) -> tuple[Path, ...]:
        """Return the files that some columns of the rows of an arrival day are read from; not the histories."""
        return self.rows(day), *self.about(columns)

    def about(self, columns: Iterable[str]) -> tuple[Path, ...]:
        """Return the files that lie beside all days; that of the traits only where a column tells one."""
        asked = bool(self.traits_told(columns))
        return tuple(
            sorted(path for path in self.path.iterdir() if path.is_file() and (asked or path.name != TRAITS_FILE))
        )

    def traits_told(self, columns: Iterable[str]) -> list[str]:
        """Return the traits that some columns tell."""
        of_traits = told_by(self.traits, self.traits)
        return list(dict.fromkeys(of_traits[name] for name in columns if name in of_traits))

    def state_days(self, day: dt.date) -> list[dt.date]:
        """Return the days whose states and histories the rows of an arrival day read."""
        rows = pl.scan_parquet(self.rows(day), hive_partitioning=False)
        days: list[dt.date] = rows.select(pl.col("state_day").unique().sort()).collect()["state_day"].to_list()
        return days

    def chunks(self, day: dt.date, columns: Sequence[str], chunk_rows: int = CHUNK_ROWS) -> Iterator[pl.DataFrame]:
        """Yield the rows of one arrival day in order, some columns, `chunk_rows` at a time.

        Args:
            day: arrival day.
            columns: names; `content_vector` is that of the row's video, and asks for `video_id` beside it; columns of traits
                are those of the row's user.
            chunk_rows: rows of one frame.

        Raises:
            ContractError: if the day or a column is missing.
        """
        path = self.rows(day)
        file = pq.ParquetFile(path, pre_buffer=False)  # it would keep what it has read of all row groups
        present = self.columns(day)
        missing = [name for name in columns if name not in present]
        if missing:
            raise ContractError(
                f"{path} lacks the column(s) {', '.join(missing)}; rebuild data/features with the configuration of this "
                "table or bundle, or train the bundle anew"
            )
        of_traits = told_by(self.traits, self.traits)
        asked = self.traits_told(columns)
        stored = [name for name in columns if name != CONTENT_VECTOR and name not in of_traits]
        if asked:
            stored = list(dict.fromkeys([*stored, "user_id", "state_day"]))
        for batch in file.iter_batches(batch_size=chunk_rows, columns=stored):
            rows = pl.DataFrame(pl.from_arrow(batch))
            if CONTENT_VECTOR in columns:
                rows = rows.join(self.contents, on="video_id", how="left", maintain_order="left")
            if asked:
                days = rows["state_day"].unique().to_list()
                rows = join_traits(rows.lazy(), self.path, self.traits, asked, days, self.timezone).collect()
                rows = rows.select(columns)
            yield rows

    def columns(self, day: dt.date) -> frozenset[str]:
        """Return the columns that rows of an arrival day can be asked for.

        Raises:
            ContractError: if there are none.
        """
        stored = pq.read_schema(self.rows(day)).names
        content = (CONTENT_VECTOR,) if self.has_content else ()
        return frozenset([*stored, *content, *told_by(self.traits, self.traits)])

    @cached_property
    def has_content(self) -> bool:
        """Whether the features carry the content of videos."""
        return CONTENT_VECTOR in pq.read_schema(self._videos).names

    @cached_property
    def contents(self) -> pl.DataFrame:
        """`video_id`, ascending, and `content_vector` of every video of the catalogue.

        Raises:
            ConfigError: if the features carry none.
        """
        if not self.has_content:
            raise ConfigError(
                f"table.items reads the content of videos, which {self._videos} lacks: set features.content: true"
            )
        return pl.read_parquet(self._videos, columns=["video_id", CONTENT_VECTOR])

    def catalogue(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return `video_id`, ascending, and, if asked for, `content_vector` of every video; errors as for `contents`."""
        return self.contents if CONTENT_VECTOR in columns else self._video_ids

    @cached_property
    def _video_ids(self) -> pl.DataFrame:
        return pl.read_parquet(self._videos, columns=["video_id"])

    def uploaded(self, after: dt.date | None, until: dt.date) -> pl.DataFrame:
        """Return `contents` of the videos whose upload time is known and lies in some days of the source.

        Args:
            after: the last day before them; None: from the first on.
            until: the last of them.

        Raises:
            ConfigError: if the features carry no content.
        """
        end_ms, uploads = midnight_ms(until + dt.timedelta(days=1), self.timezone), pl.col("upload_time_ms")
        begin_ms = None if after is None else midnight_ms(after + dt.timedelta(days=1), self.timezone)
        wanted = (uploads < end_ms) & (pl.lit(True) if begin_ms is None else uploads >= begin_ms)
        videos = pl.scan_parquet(self._videos).filter(wanted).select("video_id").collect()["video_id"]
        return self.contents.filter(pl.col("video_id").is_in(videos.implode()))

    @property
    def _videos(self) -> Path:
        return self.path / "videos.parquet"

    def past(self, day: dt.date | None = None, kept: int = 0) -> Past:
        """Return what users did as known before a state day, and the catalogue of its videos.

        Args:
            day: arrival day whose rows read it: then the histories are those of their users alone; None: of everybody.
            kept: state days whose histories are held once they were read.
        """
        rows = None if day is None else pl.scan_parquet(self.rows(day), hive_partitioning=False)

        def histories(state_day: dt.date) -> pl.DataFrame | None:
            return self._histories(state_day, None if rows is None else rows.filter(pl.col("state_day") == state_day))

        return Past(lru_cache(maxsize=kept)(histories), self.catalogue)

    def _histories(self, day: dt.date, readers: pl.LazyFrame | None) -> pl.DataFrame | None:
        path = history_file(self.path, day)
        if not path.is_file():
            return None
        histories = pl.scan_parquet(path, hive_partitioning=False).select("user_id", *self.history_fields, *CODES)
        if readers is not None:
            users = readers.select("user_id").unique()
            histories = histories.join(users, on="user_id", how="semi", maintain_order="left")
        return histories.collect(engine="streaming")
