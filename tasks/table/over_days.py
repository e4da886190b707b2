"""How the table goes over days: in one pass here, or a task for each day on a cluster, joined in order to the same bytes."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from tasks.core.cluster import ClusterConfig, Map, NoCluster, partition_map
from tasks.core.files import remove, unfinished, writing
from tasks.core.remote import Files
from tasks.table.columns import Array, ColumnsWriter, open_columns
from tasks.table.history import EMPTY, HISTORY, HISTORY_INDEX
from tasks.table.source import CHUNK_ROWS
from tasks.table.statistics import RowStatistics, StatisticsReader

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Work(Generic[Item, Result]):
    """Columns to write.

    Attributes:
        write: writes those of some items, in order, to a folder; what it returns is small, and has an entry for each item.
        items: days, or days with what is to be made of them.
        folder: to write.
        files: what is read for an item.
    """

    write: Callable[[Sequence[Item], Path], list[Result]]
    items: Sequence[Item]
    folder: Path
    files: Callable[[Item], tuple[Path, ...]]


class OverDays(Protocol):
    """Goes over days."""

    def statistics(self, reader: StatisticsReader, days: Sequence[dt.date]) -> RowStatistics:
        """Return the statistics of the rows of all days."""

    def columns(self, works: Sequence[Work[Any, Any]]) -> list[list[Any]]:
        """Write columns; return what was said of the items of each work."""

    def apply(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        files: Callable[[Item], tuple[Path, ...]],
    ) -> list[Result]:
        """Return a small value for each of some items, read from files."""


class InOnePass:
    """All days one after the other, in this process."""

    def statistics(self, reader: StatisticsReader, days: Sequence[dt.date]) -> RowStatistics:
        """Return the statistics of the rows of all days."""
        return reader.of(days)

    def columns(self, works: Sequence[Work[Any, Any]]) -> list[list[Any]]:
        """Write columns; return what was said of the items of each work."""
        return [work.write(work.items, work.folder) for work in works]

    def apply(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        files: Callable[[Item], tuple[Path, ...]],
    ) -> list[Result]:
        """Return a small value for each of some items, read from files."""
        return [function(item) for item in items]


HERE: OverDays = InOnePass()


@dataclass(frozen=True)
class ByDay:
    """A task for each day, mapped; what tasks make lies in a folder until it is joined.

    Attributes:
        map: applies a function to tasks, anywhere.
        scratch: empty folder that every worker sees.
    """

    map: Map
    scratch: Path

    def statistics(self, reader: StatisticsReader, days: Sequence[dt.date]) -> RowStatistics:
        """Return the statistics of the rows of all days, those of each day added in order."""
        together = RowStatistics(reader.asked)
        saved = self.scratch / "statistics"
        folders = self.map(
            partial(_save_statistics, reader, saved),
            days,
            lambda day: Files(reader.features.files(day, together.columns), (_of_day(saved, day),)),
        )
        for folder in folders:
            together.add_saved(folder)
            remove(folder)
        return together

    def columns(self, works: Sequence[Work[Any, Any]]) -> list[list[Any]]:
        """Write columns; return what was said of the items of each work."""
        parts = [
            _Part(work.write, item, self.scratch / f"columns/{number}/{place}", work.files(item))
            for number, work in enumerate(works)
            for place, item in enumerate(work.items)
        ]
        said = iter(self.map(_write_part, parts, lambda part: Files(part.reads, (part.folder,))))
        folders = iter(parts)
        results = []
        for work in works:
            join_columns([next(folders).folder for _ in work.items], work.folder)
            results.append([next(said) for _ in work.items])
        return results

    def apply(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        files: Callable[[Item], tuple[Path, ...]],
    ) -> list[Result]:
        """Return a small value for each of some items, read from files."""
        return self.map(function, items, lambda item: Files(files(item)))


@contextmanager
def over_days(cluster: ClusterConfig, target: Path) -> Iterator[OverDays]:
    """Yield the way over days that the configuration asks for.

    Args:
        cluster: where days are read.
        target: what is made; parts of it lie on its file system meanwhile.

    Raises:
        MachineError: as `partition_map` does.
    """
    if isinstance(cluster, NoCluster):
        yield HERE
        return
    with unfinished(target) as scratch, partition_map(cluster, scratch) as run:
        yield ByDay(run, scratch.absolute())


@dataclass(frozen=True)
class _Part:
    """One item of a work, the folder for its columns, and what is read for them."""

    write: Callable[[Sequence[Any], Path], list[Any]]
    item: Any
    folder: Path
    reads: tuple[Path, ...]

    @property
    def day(self) -> dt.date:
        """Day of the item."""
        day = self.item[0] if isinstance(self.item, tuple) else self.item
        assert isinstance(day, dt.date)
        return day


def _write_part(part: _Part) -> Any:
    with writing(part.folder) as temporary:
        (said,) = part.write([part.item], temporary)
    return said


def _of_day(folder: Path, day: dt.date) -> Path:
    return folder / day.isoformat()


def _save_statistics(reader: StatisticsReader, folder: Path, day: dt.date) -> Path:
    target = _of_day(folder, day)
    with writing(target) as temporary:
        reader.of([day]).save(temporary)
    return target


def join_columns(parts: Sequence[Path], folder: Path) -> None:
    """Append the columns of parts, and the sequences that their rows read, as if one pass had written them; parts go as they are read.

    Args:
        parts: folders of columns, in order. Each numbers its sequences from 1, behind the empty one.
        folder: to write.
    """
    before = 0
    with ColumnsWriter(folder) as rows, ColumnsWriter(folder / HISTORY) as sequences:
        for place, part in enumerate(parts):
            stored = open_columns(part / HISTORY)
            _append(rows, open_columns(part), before)
            _append(sequences, {name: values[1:] if place else values for name, values in stored.items()}, 0)
            before += len(next(iter(stored.values()))) - 1 if stored else 0
            remove(part)


def _append(writer: ColumnsWriter, columns: Mapping[str, Array], before: int) -> None:
    """Append columns a stretch at a time; sequences are numbered on behind those `before`."""
    for name, values in columns.items():
        for begin in range(0, max(len(values), 1), CHUNK_ROWS):
            stretch = values[begin : begin + CHUNK_ROWS]
            if name == HISTORY_INDEX and before:
                stretch = stretch + (stretch != EMPTY).astype(stretch.dtype) * stretch.dtype.type(before)
            writer.append({name: stretch})
