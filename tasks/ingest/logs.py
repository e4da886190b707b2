"""Impression logs in files: which days they hold, whether they are sound, and their rows by arrival day.

A file is read twice, each time as a stream: once for its index (rows per arrival day, values that cannot be read),
which is kept for as long as the file's content stays the same, and once to part the days that are needed.
"""

import contextlib
import datetime as dt
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from tasks.core.contract import SHOWN, candidates_schema, conform, polars_schema
from tasks.core.errors import SourceError
from tasks.core.files import hash_file, hash_value, read_json, write_json
from tasks.core.manifest import code_hash
from tasks.core.parquet import ORDER, PartWriter, write_frame
from tasks.core.traits import Trait
from tasks.ingest.catalogue import seen
from tasks.ingest.forms.plain import explaining
from tasks.ingest.identities import found
from tasks.ingest.log_file import LogFile, contract_columns, index_file, part_by_day, rows_of_days
from tasks.ingest.problems import Problems
from tasks.ingest.source import CANDIDATES, NAMES, DayWriter

INDEX = "files.json"
APART_DAYS = 180
"""Days further than this from all others are another log's, or a clock's that was never set."""
MOST_APART = 0.01
"""Share of rows, or a single row, that is set aside as such; more are another log's."""


class LogFiles:
    """All log files of one source."""

    def __init__(self, files: Sequence[LogFile], timezone: str, settings: Any, earlier: Path | None) -> None:
        """Take note of the files; nothing is read yet.

        Args:
            files: at least one.
            timezone: days begin at its midnight.
            settings: JSON value of the configuration that decides how rows are read.
            earlier: folder of an earlier run, whose index of unchanged files is used.
        """
        self.files = tuple(sorted(files, key=lambda file: file.label))
        self._timezone = timezone
        self._settings = hash_value(
            {"settings": settings, "timezone": timezone, "code": code_hash("ingest", "core/identities", "core/parquet")}
        )
        self._earlier = earlier

    @cached_property
    def index(self) -> dict[str, dict[dt.date, int]]:
        """Rows per arrival day, by file.

        Raises:
            SourceError: if files cannot be read, or hold values that are not what their columns are for: all at once; or if
                no file has rows, or two are the very same: their days were delivered twice.
        """
        index, problems = self._known(), Problems()
        for file in self.files:
            if file.label not in index:
                with problems.noted():
                    index[file.label] = index_file(file, self._timezone)
        problems.refuse()
        if not any(index.values()):
            some = ", ".join(file.label for file in self.files[:3])
            raise SourceError(f"{some} holds no rows: deliver the log again, or name other files of the source")
        self._refuse_twice([label for label, days in index.items() if days])
        return index

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file."""
        hashes = {}
        for file in self.files:
            with explaining(file.path):
                hashes[file.label] = hash_file(file.path)
        return hashes

    def _refuse_twice(self, labels: Sequence[str]) -> None:
        first: dict[str, str] = {}
        for label in labels:
            other = first.setdefault(self.hashes[label], label)
            if other != label:
                raise SourceError(
                    f"{other} and {label} are the same file twice: its days would count double; remove one"
                )

    @cached_property
    def rows_per_day(self) -> dict[dt.date, int]:
        """Rows that arrive on each day, in order of the days; days of clocks that were never set are none.

        Raises:
            SourceError: if many rows lie far from all others.
        """
        return {day: rows for day, rows in self._all_days.items() if day not in self.odd_days}

    @cached_property
    def odd_days(self) -> tuple[dt.date, ...]:
        """Days so far from all others, with so few rows, that their rows do not belong to the log."""
        days = list(self._all_days)
        stretches = [days[:1]]
        for before, day in itertools.pairwise(days):
            if (day - before).days > APART_DAYS:
                stretches.append([])
            stretches[-1].append(day)
        rows = [sum(self._all_days[day] for day in stretch) for stretch in stretches]
        main = rows.index(max(rows))
        if sum(rows) - rows[main] > max(1, sum(rows) * MOST_APART):
            said = " and ".join(
                f"{stretch[0]} to {stretch[-1]} ({count:,} rows)"
                for stretch, count in zip(stretches, rows, strict=True)
            )
            raise SourceError(
                f"the log lies in stretches more than {APART_DAYS} days apart: {said}; mend the times, or name only the files "
                "of one stretch"
            )
        return tuple(day for number, stretch in enumerate(stretches) if number != main for day in stretch)

    def set_aside(self) -> pl.DataFrame:
        """Return the rows of `odd_days` as the contract has them, with `file` and `row`, where they stand."""
        frames = [
            rows_of_days(file, self.odd_days, self._timezone)
            for file in self.files
            if set(self.odd_days) & set(self.index[file.label])
        ]
        return pl.concat(frames) if frames else pl.DataFrame()

    @cached_property
    def _all_days(self) -> dict[dt.date, int]:
        total: Counter[dt.date] = Counter()
        for days in self.index.values():
            total.update(days)
        return dict(sorted(total.items()))

    def day_inputs(self, day: dt.date) -> Any:
        """Return the hashes of the files that hold a day, and of how they are read."""
        holding = {label: self.hashes[label] for label, days in self.index.items() if day in days}
        return {"files": holding, "settings": self._settings}

    def first_rows(self, count: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the first rows of the first file that has some, as they are, and as the contract has them.

        Raises:
            SourceError: if a file cannot be read.
        """
        for file in self.files:
            with file.file.reading():
                first = file.frame.head(count)
                before = first.collect(engine="streaming")
                if before.height or file is self.files[-1]:
                    return before, first.select(contract_columns(file)).collect(engine="streaming")
        raise SourceError("the source has no files")

    def thin_out(self, every: int) -> None:
        """Read only every so manieth row of each file from now on; what was learned of the files stays."""
        for file in self.files:
            numbered = file.frame.with_row_index("row of the file")
            file.file.frame = numbered.filter(pl.col("row of the file") % every == 0).drop("row of the file")

    def remember(self, out: Path) -> None:
        """Keep the index in `out` for the next run."""
        files = {
            label: {"sha256": self.hashes[label], "days": {day.isoformat(): rows for day, rows in sorted(days.items())}}
            for label, days in self.index.items()
        }
        write_json(out / INDEX, {"settings": self._settings, "files": files})

    @contextlib.contextmanager
    def reading(self, days: Sequence[dt.date], scratch: Path) -> Iterator[DayWriter]:
        """Part the rows of some days below `scratch`, and yield what writes one of them."""
        for number, file in enumerate(self.files):
            wanted = sorted(set(days) & set(self.index[file.label]))
            if wanted:
                part_by_day(file, wanted, self._timezone, scratch / str(number))

        yield partial(_write_day, scratch, self.files[0].schema)

    def _known(self) -> dict[str, dict[dt.date, int]]:
        path = self._earlier / INDEX if self._earlier else None
        if path is None or not path.is_file():
            return {}
        try:
            stored = read_json(path)
            if stored["settings"] != self._settings:
                return {}
            return {
                label: {dt.date.fromisoformat(day): int(rows) for day, rows in entry["days"].items()}
                for label, entry in stored["files"].items()
                if self.hashes.get(label) == entry["sha256"]
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, SourceError):
                raise
            return {}


def _write_day(scratch: Path, schema: Mapping[str, pl.DataType], day: dt.date, part: Path) -> int:
    """Write the rows of a day that were parted below `scratch`; return how many."""
    pieces = sorted(scratch.glob(f"*/day={day.isoformat()}/*.parquet"))
    with PartWriter(part, dict(schema)) as writer:
        if pieces:
            frame = pl.read_parquet(pieces, hive_partitioning=False)
            names = found([frame])
            if names.height:
                write_frame(names, part.with_name(NAMES))
            if SHOWN.name in frame.columns:
                refused = pl.col(SHOWN.name) == 0
                write_candidates(frame.filter(refused), part)
                frame = frame.filter(refused.ne_missing(True))
            writer.write(_in_order(frame, schema))
        return writer.rows


def write_candidates(frame: pl.DataFrame, part: Path) -> None:
    """Write candidates that were not shown beside the part of their day, if there are any."""
    if frame.height:
        write_frame(_in_order(frame, candidates_schema(frame.columns)), part.with_name(CANDIDATES))


def _in_order(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    order = [*ORDER, *(name for name in schema if name not in ORDER)]
    return frame.select(list(schema)).sort(order)


class FileSource:
    """What every source made of log files answers alike; a subclass sets `_files` and describes the rest.

    Without tables of its own it knows of users and videos what the log says.
    """

    _files: LogFiles
    scene_names: tuple[str, ...] = ()
    traits: Mapping[str, Trait] = MappingProxyType({})

    def first_day(self) -> dt.date:
        """Return the first day with rows."""
        return min(self._days)

    def latest_day(self) -> dt.date:
        """Return the last day with rows."""
        return max(self._days)

    def holds(self, day: dt.date) -> bool:
        """Tell whether rows arrive on a day."""
        return day in self._days

    @property
    def _days(self) -> Mapping[dt.date, int]:
        """Rows by arrival day."""
        return self._files.rows_per_day

    def day_inputs(self, day: dt.date) -> Any:
        """Return a JSON value that changes whenever the rows of a day can change."""
        return self._files.day_inputs(day)

    def reading(self, days: Sequence[dt.date], scratch: Path) -> AbstractContextManager[DayWriter]:
        """Return a context in which the given days can be written."""
        return self._files.reading(days, scratch)

    def users(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        """Return every user of the log, without features."""
        return seen(impressions, days, "user_id").drop_nulls().unique().collect(engine="streaming").sort("user_id")

    def videos(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        """Return every video of the log with the longest duration logged for it, without features."""
        logged = seen(impressions, days, "video_id", "duration_ms").drop_nulls("video_id").group_by("video_id")
        lengths = logged.agg(pl.col("duration_ms").max()).collect(engine="streaming").sort("video_id")
        schema = polars_schema("videos")
        rest = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in schema.items() if name not in lengths.columns]
        return conform(lengths.lazy().with_columns(rest), "videos", "videos of the log").collect()

    def trait_records(self, days: Sequence[dt.date]) -> pl.DataFrame | None:
        """Return nothing: there is no table of traits."""
        return None

    def thin_out(self, rows: int) -> int:
        """Read only as many rows of the source as are wanted, spread evenly; return which share that is, as 1 in n."""
        every = max(1, sum(self._days.values()) // rows)
        if every > 1:
            self._files.thin_out(every)
        return every

    def set_aside(self) -> pl.DataFrame:
        """Return the rows whose day cannot be, with where they stand; empty where there are none."""
        return self._files.set_aside()

    def remember(self, out: Path) -> None:
        """Keep what was learned about the files beside the output, so that the next run need not read them again."""
        self._files.remember(out)
