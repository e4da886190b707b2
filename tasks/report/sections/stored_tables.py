"""What compression makes of a recipe's embedding tables: bytes, and what it costs on the validation day."""

from tasks.report.formatting import Measure, count, listed, measure, number, share
from tasks.report.inputs import Artifacts
from tasks.report.view import Cell, PageTable, Section, TableHead, TableRow, Text
from tasks.train.tables import TableEntry

_KIB = Measure("", "KiB", 0)
_MOVED = ("xauc", "mae", "rmse")
_ABOUT = (
    "What is judged, promoted and served is the model with these tables, not the one in single precision that it was fitted as. "
    "Bytes are those of the files of the fit that serves."
)


def stored_tables(artifacts: Artifacts) -> tuple[Section, ...]:
    """Return the section, or nothing where every recipe is stored as it was fitted."""
    lines = []
    for recipe in artifacts.recipes:
        if recipe.tables is None:
            continue
        moved = recipe.tables.fit.validation
        for name, entry in sorted(recipe.tables.tables.items()):
            ledger = entry.ledger
            cells = [
                Cell(recipe.name, name),
                Cell(_formats(entry), f"{count(entry.zeroed)} too small, stored as 0" if entry.zeroed else ""),
                Cell(number(ledger.total / 1024, _KIB), numeric=True),
                Cell(number(ledger.fp32 / 1024, _KIB), numeric=True),
                Cell(share(ledger.fp32 - ledger.total, ledger.fp32), numeric=True),
            ]
            cells += [Cell(number(moved.get(metric), measure(metric), signed=True), numeric=True) for metric in _MOVED]
            lines.append(TableRow(tuple(cells)))
    if not lines:
        return ()
    heads = [TableHead("Recipe", "table"), TableHead("Rows"), TableHead("Stored", numeric=True)]
    heads += [TableHead("In single precision", numeric=True), TableHead("Saved", numeric=True)]
    heads += [TableHead(measure(metric).label, "moved on the validation day", numeric=True) for metric in _MOVED]
    table = PageTable("Embedding tables as they are stored and read", tuple(heads), tuple(lines))
    return (Section("stored-tables", "Compressed tables", (Text(_ABOUT), table)),)


def _formats(entry: TableEntry) -> str:
    return listed(f"{count(rows)} {kind}" for kind, rows in entry.rows.items())
