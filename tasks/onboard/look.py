"""What lies at a path: files of one kind and place together, how they are written, and some of their rows."""

import csv
import glob
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.errors import SourceError
from tasks.ingest.config import FileLayout
from tasks.ingest.folder import listed, partitions, root_of
from tasks.ingest.forms import form_of, open_file
from tasks.ingest.forms.delimited import DELIMITERS
from tasks.ingest.forms.encodings import not_utf8
from tasks.ingest.forms.plain import Plain

ROWS = 20_000
"""Rows looked at of a file."""
MOST_FILES = 500
_NO_VALUE = ("\\N", "NULL", "null", "NA", "N/A", "None", "nan", "NaN", "(null)")


@dataclass(frozen=True)
class Group:
    """Files that are written alike and have the same columns.

    Attributes:
        patterns: that name them below the path; none where the path is the file.
        files: all of them.
        form: in words.
        layout: keys of `params.yaml` that say how they are written, where that is not the default.
        rows: the first of the first file and of the last, every column as it is read.
    """

    patterns: tuple[str, ...]
    files: tuple[Path, ...]
    form: str
    layout: Mapping[str, Any]
    rows: pl.DataFrame


def look(path: Path) -> tuple[list[Group], list[str]]:
    """Return the groups of files at a path, and why others cannot be read.

    Raises:
        SourceError: if nothing is there.
    """
    files = listed(path, () if path.is_file() else ("**/*",), "init")[:MOST_FILES]
    root, opened, unread = root_of(path, "PATH"), defaultdict(list), []
    for file in files:
        label = file.relative_to(root).as_posix()
        try:
            kind, layout = _layout(file)
            form = open_file(file, FileLayout(**layout), "init", (), partitions(label))
        except SourceError as error:
            unread += str(error).splitlines()
            continue
        if form.schema:
            said = " ".join([kind, *([f"in {form.plain.compression}"] if form.plain.compression else [])])
            opened[_place(label), tuple(form.schema), said, repr(layout)].append((file, form, layout))
    groups = []
    for (place, _, said, _), members in opened.items():
        names = tuple(file for file, _, _ in members)
        patterns = () if path.is_file() else _patterns(root, place, names)
        ends = [form for _, form, _ in (members if len(members) == 1 else (members[0], members[-1]))]
        rows = []
        for form in ends:
            with form.reading():
                rows.append(form.frame.head(ROWS).collect(engine="streaming"))
        sample = pl.concat(rows, how="diagonal_relaxed")
        layout = members[0][2]
        marks = _marks(sample)
        if marks:
            layout = {**layout, "null_values": marks}
            texts = pl.col(pl.String).replace(marks, [None] * len(marks))
            sample = sample.with_columns(texts)
        groups.append(Group(patterns, names, said, layout, sample))
    return groups, unread


def _layout(file: Path) -> tuple[str, dict[str, Any]]:
    """Return the form of a file, and the keys that say how it is written."""
    plain, layout = Plain(file), dict[str, Any]()
    kind = _kind(file, plain)
    if kind == "parquet":
        return kind, layout
    head = plain.head
    if plain.encoding == "utf-8" and b"\0" in head:
        layout["encoding"] = "utf-16-le" if head.find(b"\0") % 2 else "utf-16-be"
    elif plain.encoding == "utf-8" and (foreign := not_utf8(head.splitlines()[: max(1, head.count(b"\n"))])):
        layout["encoding"] = foreign.encoding or "cp1252"
    if kind == "csv":
        text = head.decode(layout.get("encoding", plain.encoding), "replace").lstrip("\ufeff")
        lines = [line for line in text.splitlines() if line.strip()]
        counts = {delimiter: len(next(csv.reader(lines[:1], delimiter=delimiter), [])) for delimiter in DELIMITERS}
        best = max(counts, key=lambda delimiter: counts[delimiter])
        if best != ("\t" if ".tsv" in file.suffixes else ",") and counts[best] > 1:
            layout["delimiter"] = best
        fields = next(csv.reader(lines[:1], delimiter=best), [])
        if any(re.fullmatch(r"[-+]?\d[\d.:T /-]*", field.strip()) for field in fields):
            layout["header"] = [f"column_{place + 1}" for place in range(len(fields))]
    return kind, layout


def _kind(file: Path, plain: Plain) -> str:
    if b"\0" in plain.head[:64] and plain.head[:64].count(b"\0") > 16 and not plain.head.startswith(b"PAR1"):
        return "csv"
    return form_of(file, plain, "init")


def _marks(rows: pl.DataFrame) -> list[str]:
    """Return texts that stand for no value in columns where most other values are numbers."""
    found: dict[str, None] = {}
    for column in rows.select(pl.col(pl.String)).get_columns():
        numbers = column.cast(pl.Float64, strict=False).is_not_nan().sum()
        if numbers:
            found |= {mark: None for mark in _NO_VALUE if (column == mark).any()}
    return list(found)


def _place(label: str) -> str:
    """Return the folder of a file with the values of partitions left open, and its suffix."""
    *folders, name = label.split("/")
    suffix = re.sub(r"^[^.]*", "", name)
    suffix = (
        "" if re.search(r"\d", suffix) and not suffix.endswith((".gz", ".zst", ".bz2", ".csv", ".parquet")) else suffix
    )
    return "/".join(
        [*(f"{part.partition('=')[0]}=*" if "=" in part else glob.escape(part) for part in folders), f"*{suffix}"]
    )


def _patterns(root: Path, place: str, files: Sequence[Path]) -> tuple[str, ...]:
    """Return a glob that names some files and no others, or their names."""
    labels = tuple(file.relative_to(root).as_posix() for file in files)
    if len(files) == 1:
        return labels
    folder, _, rest = place.rpartition("/")
    names = sorted(file.name for file in files)
    common = next((n for n, (a, b) in enumerate(zip(names[0], names[-1], strict=False)) if a != b), len(names[0]))
    start = glob.escape(names[0][:common])
    for candidate in (place, f"{folder}/{start}{rest}".lstrip("/")):
        if set(glob.glob(candidate, root_dir=root)) == set(labels):
            return (candidate,)
    return labels
