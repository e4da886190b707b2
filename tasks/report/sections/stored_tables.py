"""What compression makes of a recipe's embedding tables: bytes, and what it costs on the validation day."""

from tasks.report.formatting import Measure, count, listed, measure, number, share, small_number
from tasks.report.inputs import Artifacts
from tasks.report.view import Cell, PageTable, Section, TableHead, TableRow, Text
from tasks.train.tables import FitOfTables, TableEntry

_KIB = Measure("", "", 0, "KiB")
_MOVED = ("xauc", "mae", "rmse")
_ABOUT = (
    "What is judged, promoted and served is the model with these tables, not the one in single precision that it was fitted as. "
    "Bytes are those of the files of the fit that serves."
)


def stored_tables(artifacts: Artifacts) -> tuple[Section, ...]:
    """Return the section, or nothing where every recipe is stored as it was fitted."""
    compressed = [(recipe.name, recipe.tables) for recipe in artifacts.recipes if recipe.tables is not None]
    if not compressed:
        return ()
    heads = (
        *(TableHead("Recipe", "table"), TableHead("Rows"), TableHead("Stored", numeric=True)),
        *(TableHead("In single precision", numeric=True), TableHead("Saved", numeric=True)),
    )
    lines = [_line(name, table, entry) for name, found in compressed for table, entry in sorted(found.tables.items())]
    moved = [
        TableRow((Cell(name), *(Cell(_moved(found.fit, metric), numeric=True) for metric in _MOVED)))
        for name, found in compressed
    ]
    cost = (TableHead("Recipe"), *(TableHead(measure(metric).label, numeric=True) for metric in _MOVED))
    blocks = (
        Text(_ABOUT),
        PageTable("Embedding tables as they are stored and read", heads, tuple(lines)),
        PageTable("What all tables of a recipe together moved on the validation day", cost, tuple(moved)),
    )
    return (Section("stored-tables", "Compressed tables", blocks),)


def _line(recipe: str, table: str, entry: TableEntry) -> TableRow:
    ledger = entry.ledger
    return TableRow(
        (
            Cell(recipe, table),
            Cell(_formats(entry), f"{count(entry.zeroed)} too small, stored as 0" if entry.zeroed else ""),
            Cell(number(ledger.total / 1024, _KIB), numeric=True),
            Cell(number(ledger.fp32 / 1024, _KIB), numeric=True),
            Cell(share(ledger.fp32 - ledger.total, ledger.fp32), numeric=True),
        )
    )


def _moved(fit: FitOfTables, metric: str) -> str:
    return small_number(fit.validation.get(metric), measure(metric), signed=True)


def _formats(entry: TableEntry) -> str:
    return listed(f"{count(rows)} {kind}" for kind, rows in entry.rows.items())
