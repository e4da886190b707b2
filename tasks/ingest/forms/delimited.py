"""Text with one row a line and a delimiter between fields: headers, and where exactly a file is broken.

Every column is read as text; numbers are cast later, where a wrong one can be named. Scanning itself is left to Polars.
"""

import contextlib
import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.errors import SourceError
from tasks.ingest.config import FileLayout
from tasks.ingest.forms.encodings import not_utf8
from tasks.ingest.forms.form import Form, shown
from tasks.ingest.forms.plain import explaining

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


class Delimited(Form):
    """CSV, TSV and their relatives."""

    kind = "csv"

    def __init__(self, path: Path, layout: FileLayout | None = None, key: str | None = None) -> None:
        """Read the header.

        Raises:
            SourceError: if the file is missing or unreadable.
        """
        super().__init__(path, layout, key)
        self.delimiter = self.layout.delimiter or ("\t" if ".tsv" in path.suffixes else ",")
        try:
            with explaining(path), self._records(0) as records:
                first: list[str] = []
                if self.layout.header is None:
                    first = next((fields for fields in records if fields), first)
                self._skipped: int = records.line_num
        except csv.Error as error:
            raise SourceError(f"{path}: its first line cannot be taken apart ({error}); mend it") from error
        self.names = list(self.layout.header or _distinct(first))
        self.schema = dict.fromkeys(self.names, pl.String())
        self.frame = self._scan(self.names, null_values=["", *self.layout.null_values])

    def flaws(self) -> list[str]:
        """Check that every line has as many fields as the header, in one pass over the last of them.

        Polars fills short lines with nulls, and does not notice long ones where it reads some of the columns only.
        """
        if not self.names:
            return []
        if self.layout.header is None and (reason := self._odd_header()):
            advice = self.setting("quote", "'' if it is an ordinary character", "double the quotes within names")
            return [f"quotes within its first line can be read in two ways ({reason}): mend them, or {advice}"]
        last, beyond = self.names[-1], f"field {len(self.names) + 1} of {len(self.names)}"
        frame = self._scan([*self.names, beyond], missing_columns="insert")
        try:
            suspicious = frame.select(pl.col(last).is_null().any() | pl.col(beyond).is_not_null().any())
            if not suspicious.collect(engine="streaming").item():
                return []
        except (pl.exceptions.PolarsError, OSError):
            pass
        return shown(self._broken_lines())

    def place(self, row: int) -> str:
        """Say on which line the n-th row begins; quoted fields may hold line ends."""
        with self._records() as records:
            for _ in range(row):
                next(records, None)
            return f"line {records.line_num + 1}"

    def why(self, reason: str) -> list[str]:
        if foreign := self._foreign():
            return [foreign]
        return shown(self._broken_lines()) or self._open_quote() or super().why(reason)

    def hint(self, missing: Sequence[str]) -> str | None:
        with self.plain.binary() as stream:
            line = stream.readline(1 << 16)
        if b"\0" in line and self.plain.encoding == "utf-8":
            little = line.find(b"\0") % 2 == 1
            return self.setting("encoding", "utf-16-le" if little else "utf-16-be", "convert the file to UTF-8")
        if foreign := self._foreign(1):
            return foreign
        text = line.decode(self.plain.encoding, "replace").lstrip("\ufeff")
        for delimiter, name in DELIMITERS.items():
            fields = next(csv.reader([text], delimiter=delimiter), [])
            if delimiter != self.delimiter and len(fields) > len(self.names):
                advice = self.setting(
                    "delimiter", repr(delimiter), f"separate fields with {DELIMITERS[self.delimiter]}"
                )
                return f"with {name} between fields it has {len(fields)} columns ({', '.join(fields)}): {advice}"
        if self.layout.header is None and any(_is_number(field) for field in self.names):
            return (
                self.setting("header", "[the names of its columns]", "add a header")
                + ", if its first line is no header"
            )
        return None

    def rows(self) -> Iterator[list[str]]:
        """Yield the fields of each row."""
        with self._records() as records:
            yield from records

    def _scan(self, names: Sequence[str], **options: Any) -> pl.LazyFrame:
        return pl.scan_csv(
            self.plain.path, schema=dict.fromkeys(names, pl.String()), separator=self.delimiter,
            quote_char=self.layout.quote or None, has_header=False, skip_lines=self._skipped, glob=False, **options,
        )  # fmt: skip

    @contextlib.contextmanager
    def _records(self, after: int | None = None, strict: bool = False) -> Iterator[Any]:
        """Open the fields of each line after some lines; None: after the header.

        Where `strict`, fields such as ""name"" are an error, whose quotes Polars takes in another way.
        """
        quoting: Any = csv.QUOTE_MINIMAL if self.layout.quote else csv.QUOTE_NONE
        with self.plain.text() as stream:
            records = csv.reader(
                stream, delimiter=self.delimiter, quotechar=self.layout.quote or None, quoting=quoting, strict=strict
            )
            while records.line_num < (self._skipped if after is None else after):
                next(records)
            yield records

    def _broken_lines(self) -> Iterator[str]:
        """Yield lines that have another number of fields than the header."""
        expected = len(self.names)
        whole = "the header has" if self.layout.header is None else "the names in params.yaml are"
        before = self._skipped
        try:
            with self._records() as records:
                for fields in records:
                    if not fields and expected > 1:
                        yield f"line {before + 1} is empty; remove it"
                    elif fields and len(fields) != expected:
                        yield (
                            f"line {before + 1} has {len(fields)} fields, {whole} {expected}; the file is cut or damaged: "
                            f"deliver it again, or mend the line{self._quote_advice(fields)}"
                        )
                    before = records.line_num
        except (OSError, EOFError, csv.Error) as error:
            yield f"line {before + 1} cannot be read ({error}); mend the line, or deliver the file again"

    def _odd_header(self) -> str | None:
        """Say what is wrong with quotes of the header that the reader of headers and the one of rows take differently."""
        try:
            with self._records(0, strict=True) as records:
                next((fields for fields in records if fields), None)
        except csv.Error as error:
            return str(error)
        return None

    def _open_quote(self) -> list[str]:
        """Return where the last field begins, if it is quoted and does not end."""
        begin, last = self._skipped, [""]
        with self._records() as records:
            for fields in records:
                if records.line_num > begin + 1:
                    last, start = fields, begin + 1
                begin = records.line_num
        if not any("\n" in field for field in last):
            return []
        return [f"line {start} begins a quoted field that does not end; mend the line{self._quote_advice(last)}"]

    def _quote_advice(self, fields: Sequence[str]) -> str:
        quote = self.layout.quote
        if self.key and quote and any("\n" in field or quote in field for field in fields):
            return f" (a {quote} begins a quoted field; where it is an ordinary character, {self.setting('quote', repr(''), '')})"
        return ""

    def _foreign(self, lines: int | None = None) -> str | None:
        """Say which line is not of the encoding, looking at some lines or at all."""
        if self.plain.encoding not in ("utf-8", "utf-8-sig", "ascii"):
            return None
        with self.plain.binary() as stream:
            found = not_utf8(stream if lines is None else islice(stream, lines))
        if found is None:
            return None
        name = found.encoding or "what wrote it (gbk, cp1252, utf-16, ...)"
        return f"{found}: {self.setting('encoding', name, 'convert the file to UTF-8')}"


def official(path: Path, wanted: Sequence[str]) -> Delimited:
    """Return a CSV file of a public data set with the columns that are wanted of it.

    Raises:
        SourceError: if it is missing, empty, or lacks one.
    """
    file = Delimited(path)
    if not file.names:
        raise SourceError(f"{path} is empty: deliver the file again")
    file.require(wanted)
    return file


def _distinct(names: Sequence[str]) -> list[str]:
    """Return names of columns; one that stands twice gets its place behind it."""
    return [name if name not in names[:at] else f"{name} (column {at + 1})" for at, name in enumerate(names)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
