"""What every form of file answers: its rows as a lazy frame, their types, and where in the file a row stands."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import ClassVar

import polars as pl

from tasks.core.errors import SourceError, StorageError
from tasks.core.system_errors import remedy_of
from tasks.ingest.config import FileLayout
from tasks.ingest.forms.plain import Plain

_NO_VALUE = ("\\n", "null", "none", "nil", "na", "n/a", "nan", "-", "--", "?", "undefined", "(null)", "missing")


class Form:
    """One file of rows.

    Attributes:
        path: where it lies.
        key: of `params.yaml`, below which its layout is declared, for messages; None: the layout is the official one.
        layout: what is declared of it.
        frame: its rows as they are; to be collected inside `readable`.
        schema: column -> type.
    """

    kind: ClassVar[str]
    frame: pl.LazyFrame
    schema: Mapping[str, pl.DataType]

    def __init__(self, path: Path, layout: FileLayout | None = None, key: str | None = None) -> None:
        self.path, self.key = path, key
        self.layout = layout or FileLayout()
        self.plain = Plain(path, self.layout.encoding)

    def readable(self) -> AbstractContextManager[None]:
        """Return a context in which `frame` can be collected."""
        return self.plain.readable()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the file readable; turn what Polars says of a damaged one, or of a full disk, into what is wrong where.

        Raises:
            SourceError: if the file cannot be read, or sound as it is makes no sense under its mapping.
            StorageError: if the disk is full or the folder that is written cannot be.
        """
        with self.readable():
            try:
                yield
            except (pl.exceptions.PolarsError, OSError) as error:
                reason = str(error).strip().splitlines()[0]
                if remedy := remedy_of(error):
                    raise StorageError(f"could not part {self.path} into days ({reason}): {remedy}") from error
                raise SourceError(self.say(self._cause(reason))) from error

    def check(self) -> None:
        """Refuse a file that reads without an error and is broken.

        Raises:
            SourceError: naming the first lines that are.
        """
        if flaws := self.flaws():
            raise SourceError(self.say(flaws))

    def flaws(self) -> list[str]:
        """Return what is broken in a file that reads without an error, one line each."""
        return []

    def place(self, row: int) -> str:
        """Say where the n-th row, from 0, stands: a line, or a row."""
        return f"row {row + 1}"

    def why(self, reason: str) -> list[str]:
        """Say what keeps the file from being read and what to do, one line each; `reason` is what Polars says of it."""
        return [f"it cannot be read ({reason})"]

    def hint(self, missing: Sequence[str]) -> str | None:
        """Say which setting would give the file columns that it seems to lack, if one would."""
        return None

    def require(self, wanted: Sequence[str]) -> None:
        """Check that the file has the columns that are read from it.

        Raises:
            SourceError: naming those it lacks and those it has.
        """
        missing = [name for name in dict.fromkeys(wanted) if name not in self.schema]
        if not missing:
            return
        lacking = ", ".join(repr(name) for name in missing)
        remedy = self.hint(missing) or self.setting("columns", "the names it has", "mend the column mapping")
        raise SourceError(f"{self.path} lacks column {lacking}; it has {', '.join(self.schema)}: {remedy}")

    def remedy(self, value: object) -> str | None:
        """Say what to do about a value that stands for none; None for other values."""
        if isinstance(value, str) and value.strip().lower() in _NO_VALUE:
            return self.setting("null_values", f"[{value!r}] if it stands for no value", "mend or remove the row")
        return None

    def setting(self, name: str, value: str, otherwise: str) -> str:
        """Return the advice to set a key of `params.yaml`, or other advice where the layout is the official one."""
        return otherwise if self.key is None else f"set {self.key}.{name} to {value}"

    def _cause(self, reason: str) -> list[str]:
        """Say why reading failed: the file itself, or what is made of it."""
        try:
            self.frame.select(pl.all().null_count()).collect(engine="streaming")
        except (pl.exceptions.PolarsError, OSError) as error:
            return self.why(str(error).strip().splitlines()[0])
        advice = self.setting("columns", "what the file holds", "deliver the file in its official layout")
        return [f"the file is sound, but what is made of its columns fails ({reason}): {advice}"]

    def say(self, problems: Sequence[str]) -> str:
        """Return problems with the file's name, one line each."""
        return "\n".join(f"{self.path}: {problem}" for problem in problems)


def shown(problems: Iterator[str], most: int = 3) -> list[str]:
    """Return the first of many problems of one kind, and how many more there are."""
    first = list(islice(problems, most))
    further = sum(1 for _ in problems)
    return [*first, f"... and {further} more such lines"] if further else first
