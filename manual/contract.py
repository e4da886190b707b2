"""The columns that every source is adapted to."""

from manual.markdown import table
from tasks.core.contract import MARKS, TABLES


def contract_page() -> str:
    """Return the page of the data contract."""
    lines = ["# The data contract", "", "Generated from the code; `dwell schema --part contract` prints the same. What a log's columns "
             "become: [your data](docs/your_data.md).", ""]  # fmt: skip
    for name, columns in TABLES.items():
        rows = [
            (f"`{one.name}`", str(one.dtype), "yes" if one.nullable else "no", one.meaning)
            for one in (*columns, *MARKS[name])
        ]
        lines += [f"## {name}", "", *table(("column", "type", "may be null", "meaning"), rows)]
    return "\n".join(lines) + "\n"
