"""Parquet files. Types that say how values are stored, not what they are, arrive as text: dictionaries, bytes, decimals."""

from pathlib import Path

import polars as pl

from tasks.core.errors import SourceError
from tasks.ingest.config import FileLayout
from tasks.ingest.forms.form import Form

MAGIC = b"PAR1"


class Parquet(Form):
    """One Parquet file."""

    kind = "parquet"

    def __init__(self, path: Path, layout: FileLayout | None = None, key: str | None = None) -> None:
        """Read the schema.

        Raises:
            SourceError: if the file is missing, cut off, or no Parquet.
        """
        super().__init__(path, layout, key)
        try:
            with self.readable():
                found = dict(pl.scan_parquet(self.plain.path, hive_partitioning=False, glob=False).collect_schema())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise SourceError(self.say(self.why(str(error).strip().splitlines()[0]))) from error
        rows = pl.scan_parquet(self.plain.path, hive_partitioning=False, glob=False, schema=found)
        as_text = {name: _text(pl.col(name), dtype) for name, dtype in found.items()}
        self.frame = rows.with_columns(value for value in as_text.values() if value is not None)
        self.schema = {name: dtype if as_text[name] is None else pl.String() for name, dtype in found.items()}
        if self.layout.null_values:
            marks = list(self.layout.null_values)
            self.frame = self.frame.with_columns(pl.col(pl.String).replace(marks, [None] * len(marks)))

    def why(self, reason: str) -> list[str]:
        with self.readable(), self.plain.path.open("rb") as stream:
            start = stream.read(4)
            stream.seek(0, 2)
            size = stream.tell()
            stream.seek(max(0, size - 4))
            end = stream.read()
        if size == 0:
            return ["no readable Parquet: it holds no byte; deliver the file again"]
        if start != MAGIC:
            other = self.setting("format", "csv or jsonl", "deliver Parquet")
            return [f"no readable Parquet: it begins with {start!r}; {other}, or deliver the file again"]
        if end != MAGIC:
            return ["no readable Parquet: it is cut off, its last bytes are missing; deliver the file again"]
        return [f"no readable Parquet: it is damaged ({reason}); deliver the file again"]


def _text(value: pl.Expr, dtype: pl.DataType) -> pl.Expr | None:
    """Return a column as text where its type says only how it is stored; None where it is to stay as it is."""
    if isinstance(dtype, pl.Binary):
        return value.map_batches(_decoded, return_dtype=pl.String())
    if isinstance(dtype, pl.Categorical | pl.Enum | pl.Decimal | pl.Null):
        return value.cast(pl.String())
    return None


def _decoded(stored: pl.Series) -> pl.Series:
    """Return bytes as the text they are in UTF-8; where they are none, as hexadecimal digits after 0x."""
    try:
        return stored.cast(pl.String())
    except pl.exceptions.PolarsError:
        return pl.Series(stored.name, [None if value is None else _text_of(value) for value in stored], pl.String())


def _text_of(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
