"""What every kind of value answers alike: the value, which rows hold something else, and how to say so."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from tasks.core.contract import TABLES

MEND = "mend or remove the row"


@dataclass(frozen=True)
class Reading:
    """How columns of a file become one column of the contract.

    Attributes:
        source: name of the column in the file (of several, the names), for messages.
        given: what the file holds, to be shown; null where it holds nothing.
        value: what the contract gets; null where nothing is given or what is given cannot be read.
        wrong: true where what is given cannot be read, never null.
        remedy: a value that cannot be read -> what to do about it.
        written: of identifiers, their text; see `tasks.ingest.columns.identity`.
    """

    source: str
    given: pl.Expr
    value: pl.Expr
    wrong: pl.Expr
    remedy: Callable[[Any], str] = lambda _: MEND
    written: pl.Expr | None = None

    @classmethod
    def where_null(cls, source: str, value: pl.Expr, remedy: Callable[[Any], str] = lambda _: MEND) -> "Reading":
        """Return the reading of one column whose value is null exactly where it cannot be read."""
        given = pl.col(source)
        return cls(source, given, value, given.is_not_null() & value.is_null(), remedy)

    @classmethod
    def of_no_type(cls, source: str, dtype: pl.DataType, wanted: pl.DataType, remedy: str) -> "Reading":
        """Return the reading of a column whose type no value can be read from."""
        given = pl.col(source)
        return cls(
            source, given, pl.lit(None, dtype=wanted), given.is_not_null(), lambda _: f"{remedy} (it is {dtype})"
        )

    def refusal(self, name: str, found: list[Any], rows: int, of_file: str | None = None) -> str:
        """Say what a column holds that cannot be read.

        Args:
            name: column of the contract.
            found: the first values that cannot be read, at least one.
            rows: how many rows hold such.
            of_file: what to do if the way the file is written gives such values; None: it does not.
        """
        shown = [value.to_list() if isinstance(value, pl.Series) else value for value in found]
        first = shown[0]
        others = list(dict.fromkeys(repr(value) for value in shown[1:] if value != first))
        column = next((column for table in TABLES.values() for column in table if column.name == name), None)
        meaning = f" ({column.dtype}: {column.meaning})" if column else ""
        also = f", nor can {' and '.join(others)}" if others else ""
        also += f" ({rows:,} rows in all)" if rows > 1 else ""
        said = f"column {self.source!r} holds {first!r}, which cannot be read as {name}{meaning}{also}"
        return f"{said}; {of_file or self.remedy(first)}"
