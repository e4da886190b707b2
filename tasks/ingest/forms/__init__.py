"""The forms a file of rows may have, and which one a given file has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import polars as pl

from tasks.core.errors import SourceError
from tasks.ingest.config import FileLayout
from tasks.ingest.forms import parquet
from tasks.ingest.forms.delimited import Delimited
from tasks.ingest.forms.form import Form
from tasks.ingest.forms.json_lines import JsonLines
from tasks.ingest.forms.parquet import Parquet
from tasks.ingest.forms.plain import COMPRESSIONS, Plain

FORMS: Mapping[str, type[Form]] = {form.kind: form for form in (Delimited, JsonLines, Parquet)}
"""`format` in `params.yaml` -> what reads such a file"""

SUFFIXES: Mapping[str, str] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""last suffix of a file's name, but for that of its compression -> format"""

_FOREIGN: Mapping[bytes, str] = {
    b"ARROW1": "an Arrow (Feather) file: write it as Parquet",
    b"ORC": "an ORC file: write it as Parquet",
    b"Obj\x01": "an Avro file: write it as Parquet or JSON lines",
    b"PK\x03\x04": "a zip archive or a workbook: unpack it, or export it as CSV",
    b"\xfd7zXZ\x00": "compressed by xz: compress it by gz, zst or bz2",
    b"\x04\x22\x4d\x18": "compressed by lz4: compress it by gz, zst or bz2",
    b"\xff\x06\x00\x00sNaPpY": "compressed by snappy: compress it by gz, zst or bz2 (inside Parquet snappy is fine)",
    b"SQLite format 3": "an SQLite database: export the table as CSV",
    b"PARE": "an encrypted Parquet file: decrypt it",
}
_FORMATS = ", ".join(FORMS)


def open_file(
    path: Path,
    layout: FileLayout,
    key: str,
    wanted: Sequence[str],
    partitions: Mapping[str, str | None] = MappingProxyType({}),
) -> Form:
    """Return a file as rows with the columns that are wanted of it.

    Args:
        path: where it lies.
        layout: what is declared of it.
        key: of `params.yaml`, for messages, such as `impressions`.
        wanted: columns that are read.
        partitions: columns that the names of its folders give; a column of the file goes before.

    Raises:
        SourceError: if it cannot be read, has another form than is declared, or lacks a column.
    """
    plain = Plain(path, layout.encoding)
    kind = layout.format or form_of(path, plain, key)
    form = FORMS[kind](path, layout, key)
    if not form.schema and not plain.head.strip():  # an empty part of a job that had nothing to write
        form.schema = dict.fromkeys(wanted, pl.String())
        form.frame = pl.LazyFrame(schema=form.schema)
    form.require([name for name in wanted if name not in partitions])
    further = {name: value for name, value in partitions.items() if name not in form.schema}
    form.frame = form.frame.with_columns(pl.lit(value, pl.String()).alias(name) for name, value in further.items())
    form.schema = {**form.schema, **dict.fromkeys(further, pl.String())}
    return form


def form_of(path: Path, plain: Plain, key: str) -> str:
    """Return the format of a file: what its bytes say beyond doubt, else what its name says, else what they look like.

    Raises:
        SourceError: if it is none of those that are read.
    """
    declare = f"set {key}.format to one of {_FORMATS} if it is one of them"
    if plain.head.startswith(parquet.MAGIC):
        return Parquet.kind
    for magic, what in _FOREIGN.items():
        if plain.head.startswith(magic):
            raise SourceError(f"{path} is {what}")
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix[1:].lower() not in COMPRESSIONS]
    named = SUFFIXES.get(suffixes[-1]) if suffixes else None
    start = plain.head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if named == JsonLines.kind or named is None:
        if start == b"[":
            raise SourceError(f"{path} is one JSON array: write one object a line (jq -c '.[]')")
        if start == b"{":
            return JsonLines.kind
    if named:
        return named
    if b"\0" in plain.head and plain.encoding == "utf-8":
        raise SourceError(f"{path} is of no form that is read, it begins with {plain.head[:8]!r}: {declare}")
    return Delimited.kind
