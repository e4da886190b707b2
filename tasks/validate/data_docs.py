"""Data Docs that open offline: plain HTML made from the results, without scripts, fonts or anything to load."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from tasks.core.files import write_text
from tasks.validate.summary import DataSummary
from tasks.validate.verdicts import Verdict

_ORDER = ("failed", "warning", "accepted", "skipped", "passed")


def write_docs(folder: Path, summary: DataSummary, verdicts: Mapping[str, Sequence[Verdict]]) -> None:
    """Write index.html and one page per day and side table; equal results give equal bytes.

    Args:
        folder: folder to write into.
        summary: content of summary.json.
        verdicts: by day (ISO) and by side table.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["rows"] = lambda count: f"{count:,}"
    environment.filters["words"] = lambda name: str(name).replace("_", " ")
    days = {day.day: day for day in summary.days}
    index = environment.get_template("index.html").render(summary=summary)
    write_text(folder / "index.html", index)
    for name, found in verdicts.items():
        ordered = sorted(found, key=lambda verdict: _ORDER.index(verdict.status))
        page = environment.get_template("table.html")
        html = page.render(
            name=name, day=days.get(name), side=summary.side_tables.get(name), verdicts=ordered, why=summary.why
        )
        write_text(folder / f"{name}.html", html)
