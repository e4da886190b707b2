"""Write the tables of a part: Markdown to read, JSON to compute with, both with where and how they were made.

Git keeps the Markdown alone; nothing reads the JSON back.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.parts.part import Table
from tasks.core.files import write_json, write_text
from tasks.protocol.record import circumstances
from tasks.report.vega import alone


def write_part(
    title: str,
    name: str,
    tables: Sequence[Table],
    seeds: Sequence[int],
    command: str,
    seconds: float,
    folder: Path,
) -> Path:
    """Write `<name>.md` and `<name>.json` into `folder`; return the former.

    Args:
        title: heading of the page.
        name: of the part, and of the files.
        tables: its results.
        seeds: it was run with.
        command: that made them.
        seconds: it took.
        folder: where the results go.
    """
    where = circumstances() | {"seconds": round(seconds)}
    numbers = {table.title: table.numbers for table in tables if table.numbers is not None}
    write_json(
        folder / f"{name}.json",
        {"circumstances": where, "command": command, "seeds": list(seeds), "results": numbers},
    )
    lines = [f"# {title}", "", f"Run it: `{command}`", ""]
    for number, table in enumerate(tables, start=1):
        lines += _table(table)
        if table.figure is not None:
            drawing = write_text(folder / f"{name}-{number}.svg", alone(table.figure))
            lines += [f"![{table.title}]({drawing.name})", ""]
    lines += [
        f"Seeds {', '.join(map(str, seeds))}. Measured {where['date']} at commit `{where['commit']}` on {where['cpu']}, "
        f"{where['cores']} cores, {where['memory_gib']} GiB; Python {where['python']}, torch {where['torch']}; "
        f"{where['seconds']} s.",
    ]
    return write_text(folder / f"{name}.md", "\n".join(lines) + "\n")


def _table(table: Table) -> list[str]:
    lines = [f"## {table.title}", "", _row(table.columns), "|" + "---|" * len(table.columns)]
    lines += [_row(row) for row in table.rows]
    lines += ["", *(f"- {note}" for note in table.notes)]
    return [*lines, ""] if table.notes else lines


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
