"""CSV files: headers, and where exactly a file is broken. Scanning itself is left to Polars."""

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import polars as pl

from tasks.core.errors import SourceError


def scan(path: Path) -> pl.LazyFrame:
    """Scan a CSV file with every column as text; numbers are cast later, where a wrong one can be named."""
    return pl.scan_csv(path, infer_schema=False)


def header(path: Path) -> list[str]:
    """Return the column names of a CSV file.

    Raises:
        SourceError: if the file is missing, unreadable or empty.
    """
    try:
        with _open(path) as stream:
            names = next(csv.reader(stream), [])
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist: check the path of the source, or download the data again") from error
    except (OSError, EOFError) as error:
        raise SourceError(f"{path} cannot be read ({error}): check the file and its permissions") from error
    if not names:
        raise SourceError(f"{path} is empty: deliver the file again")
    return names


def require(path: Path, present: Sequence[str], wanted: Sequence[str]) -> None:
    """Check that a file has the columns that are read from it.

    Raises:
        SourceError: naming those it lacks and those it has.
    """
    missing = [name for name in wanted if name not in present]
    if missing:
        raise SourceError(
            f"{path} lacks column {', '.join(repr(name) for name in missing)}; it has {', '.join(present)}: "
            "deliver the file in its official layout, or mend the column mapping"
        )


def refuse_ragged(path: Path) -> None:
    """Check that every line of a CSV file has as many fields as the header, in one pass over its last fields.

    Polars fills short lines with nulls, and does not notice long ones where it reads some of the columns only.

    Raises:
        SourceError: naming the first line that has not.
    """
    names = header(path)
    last, beyond = f"field {len(names)}", f"field {len(names) + 1}"
    schema = {f"field {i + 1}": pl.String() for i in range(len(names) + 1)}
    frame = pl.scan_csv(path, schema=schema)
    try:
        suspicious = frame.select(pl.col(last).is_null().any() | pl.col(beyond).is_not_null().any())
        if not suspicious.collect(engine="streaming").item():
            return
    except (pl.exceptions.PolarsError, OSError):
        pass
    if broken := first_broken_line(path):
        raise SourceError(f"{path}: {broken}; the file is cut or damaged: deliver it again, or mend the line")


def first_broken_line(path: Path) -> str | None:
    """Return which line has another number of fields than the header, in words; None if none has."""
    try:
        with _open(path) as stream:
            reader = csv.reader(stream)
            expected = len(next(reader))
            before = reader.line_num
            for fields in reader:
                if len(fields) != expected:
                    return f"line {before + 1} has {len(fields)} fields, the header has {expected}"
                before = reader.line_num
    except (OSError, EOFError, csv.Error) as error:
        return f"it cannot be read to its end ({error})"
    return None


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="")
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def rows(path: Path) -> Iterator[list[str]]:
    """Yield the fields of each line after the header."""
    with _open(path) as stream:
        reader = csv.reader(stream)
        next(reader, None)
        yield from reader
