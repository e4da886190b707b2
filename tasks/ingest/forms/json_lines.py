"""JSON lines: one object a line. Every value is read as text, exactly as it stands, so that no number is rounded."""

import glob
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from tasks.ingest.config import FileLayout
from tasks.ingest.forms.form import Form, shown
from tasks.ingest.forms.plain import Plain

_FIRST_LINES = 1000


class JsonLines(Form):
    """A file of objects; what an object does not name is null."""

    kind = "jsonl"

    def __init__(self, path: Path, layout: FileLayout | None = None, key: str | None = None) -> None:
        """Read the names that the first lines hold."""
        super().__init__(path, layout, key)
        self.plain = Plain(path, self.layout.encoding, marked=False)
        names: dict[str, None] = {}
        for line in islice(self._lines(), _FIRST_LINES):
            names |= dict.fromkeys(_object(line) or ())
        self._read_as(names)

    def require(self, wanted: Sequence[str]) -> None:
        """Check that every wanted name stands in some line: those of rare names may come late."""
        late = {name for name in wanted if name not in self.schema}
        for line in self._lines() if late else ():
            if any(name in line for name in late):
                late -= set(_object(line) or ())
                if not late:
                    break
        self._read_as({**self.schema, **{name: None for name in wanted if name not in late}})
        super().require(wanted)

    def place(self, row: int) -> str:
        filled = (number for number, line in enumerate(self._lines(), 1) if line.strip())
        return f"line {next(islice(filled, row, None), 0)}"

    def why(self, reason: str) -> list[str]:
        return shown(self._broken_lines()) or super().why(reason)

    def hint(self, missing: Sequence[str]) -> str | None:
        first = shown(islice(self._broken_lines(), 1))
        return first[0] if first and not self.schema else None

    def _read_as(self, names: Any) -> None:
        self.schema = dict.fromkeys(names, pl.String())
        # The scan takes its path for a pattern.
        rows = pl.scan_ndjson(glob.escape(str(self.plain.path)), schema=self.schema)
        if self.layout.null_values:
            marks = list(self.layout.null_values)
            rows = rows.with_columns(pl.all().replace(marks, [None] * len(marks)))
        self.frame = rows

    def _lines(self) -> Iterator[str]:
        with self.plain.text() as stream:
            yield from stream

    def _broken_lines(self) -> Iterator[str]:
        for number, line in enumerate(self._lines(), 1):
            if not line.strip():
                continue
            if "\ufffd" in line and self.plain.encoding == "utf-8":
                yield f"line {number} is not UTF-8: {self.setting('encoding', 'what wrote it', 'convert the file to UTF-8')}"
            elif _object(line) is None:
                yield f"line {number} holds {_short(line)}, which is no JSON object; mend the line, or deliver the file again"


def _object(line: str) -> dict[str, Any] | None:
    """Return the object of a line; None where it holds none."""
    try:
        value = json.loads(line, parse_constant=_refuse)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")


def _short(line: str) -> str:
    text = line.strip()
    return repr(text) if len(text) <= 60 else f"{text[:40]!r} ... {text[-15:]!r}"
