"""View values as HTML: one file, nothing to fetch."""

from functools import cache
from pathlib import Path

import jinja2

from tasks.report.view import Page, Section

_HERE = Path(__file__).parent


def page_html(page: Page) -> str:
    """Render the page."""
    style = (_HERE / "style.css").read_text(encoding="utf-8")
    return _templates().get_template("page.html").render(page=page, style=style)


def section_html(section: Section) -> str:
    """Render one section as it stands in a page."""
    return str(_templates().get_template("blocks.html").module.section(section))  # type: ignore[attr-defined]


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
