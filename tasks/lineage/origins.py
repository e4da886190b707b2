"""What a column is made from: the columns of earlier tables, each with how it enters, in OpenLineage's words.

Definitions: docs/methods/lineage.md#how-a-column-enters.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Direct = Literal["IDENTITY", "TRANSFORMATION", "AGGREGATION"]
Indirect = Literal["JOIN", "GROUP_BY", "FILTER", "SORT", "WINDOW", "CONDITIONAL"]
Entry = Direct | Indirect
_DIRECT: Mapping[Entry, int] = {"IDENTITY": 0, "TRANSFORMATION": 1, "AGGREGATION": 2}


class Column(NamedTuple):
    """A column of a table, which is named by its path in the workspace."""

    table: str
    name: str


Origins = Mapping[Column, Entry]


@dataclass(frozen=True)
class Lineage:
    """Where the columns of one table come from.

    Attributes:
        fields: column -> its origins.
        whole: what decides which rows there are, and in which order, for all of its columns.
    """

    fields: Mapping[str, Origins]
    whole: Origins = field(default_factory=dict)


def is_direct(entry: Entry) -> bool:
    """Tell whether a value is computed from another, and not only chosen by it."""
    return entry in _DIRECT


def itself(table: str, name: str) -> dict[Column, Entry]:
    """Return the origins of a column that is one of an earlier table, unchanged."""
    return {Column(table, name): "IDENTITY"}


def merged(parts: Iterable[Origins]) -> dict[Column, Entry]:
    """Return all origins; of a column that enters several ways, the one that changes its value most, before any indirect one."""
    found: dict[Column, Entry] = {}
    for part in parts:
        for column, entry in part.items():
            known = found.get(column)
            if known is None or _DIRECT.get(entry, -1) > _DIRECT.get(known, -1):
                found[column] = entry
    return found


def through(origins: Origins, entry: Entry) -> dict[Column, Entry]:
    """Return origins after one more step: what was a value enters as that step says, what chose it still chooses."""
    return {column: entry if is_direct(known) else known for column, known in origins.items()}
