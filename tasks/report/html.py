"""View values as HTML: one file, nothing to fetch, of a size that does not grow with what the night met."""

import base64
import hashlib
from functools import cache
from pathlib import Path

import jinja2

from tasks.report.view import Page, Section

_HERE = Path(__file__).parent
MOST_ROWS, MOST_POINTS, MOST_LETTERS = 200, 50, 1000
"""What a table, a list and one text show at most; the page says what it leaves out."""


def page_html(page: Page) -> str:
    """Render the page.

    Its policy lets the browser run the script that sorts tables and no other, whatever a text on the page says.
    """
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("style.css", "sort.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = _templates().get_template("page.html")
    return template.render(page=page, style=style, script=script, script_hash=f"sha256-{digest}")


def section_html(section: Section) -> str:
    """Render one section as it stands in a page."""
    return str(_templates().get_template("blocks.html").module.section(section))  # type: ignore[attr-defined]


@cache
def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shortened,
    )
    templates.globals |= {"most_rows": MOST_ROWS, "most_points": MOST_POINTS}
    return templates


def _shortened(value: object) -> object:
    """Return a text as far as it is shown; what is marked safe is drawn by us."""
    if type(value) is not str or len(value) <= MOST_LETTERS:
        return value
    return f"{value[:MOST_LETTERS]}... ({len(value) - MOST_LETTERS:,} more letters)"
