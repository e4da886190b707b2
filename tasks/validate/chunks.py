"""Read and write Parquet piece by piece, so that memory does not grow with the rows of a day."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import polars as pl
import pyarrow.parquet as pq

from tasks.validate.raw import reading

CHUNK_ROWS = 1 << 18


def read_chunks(path: Path, rows: int = CHUNK_ROWS) -> Iterator[pl.DataFrame]:
    """Yield a file's rows in order, some at a time.

    Raises:
        SourceError: if the file is damaged.
    """
    with reading(path):
        file = pq.ParquetFile(path, pre_buffer=False)  # it would keep what it has read of all row groups
        batches = file.iter_batches(batch_size=rows)
    while True:
        with reading(path):
            batch = next(batches, None)
        if batch is None:
            file.close()
            return
        frame = pl.from_arrow(batch)
        assert isinstance(frame, pl.DataFrame)
        yield frame


def read_whole_groups(path: Path, column: str, rows: int = CHUNK_ROWS) -> Iterator[pl.DataFrame]:
    """Yield chunks that never part neighbouring rows with one value in `column` (an integer column)."""
    rest: pl.DataFrame | None = None
    for chunk in read_chunks(path, rows):
        frame = chunk if rest is None else pl.concat([rest, chunk])
        last = frame[column][-1]
        open_group = (pl.col(column) == last).fill_null(last is None)
        rest = frame.filter(open_group)
        if rest.height < frame.height:
            yield frame.filter(~open_group)
    if rest is not None and rest.height:
        yield rest


class ParquetSink:
    """A Parquet file that grows by frames; equal frames give equal bytes."""

    def __init__(self, path: Path, schema: pl.Schema) -> None:
        """Open the file.

        Args:
            path: file to write; its folder exists.
            schema: columns of every frame to come.
        """
        self.rows = 0
        self._schema = schema.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, frame: pl.DataFrame) -> None:
        """Append a frame."""
        if frame.height:
            self._writer.write_table(frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(self._schema))
            self.rows += frame.height

    def __enter__(self) -> "ParquetSink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
