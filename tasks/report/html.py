"""View values as HTML: one file, nothing to fetch, of a size that does not grow with what the night met."""

import base64
import hashlib
from functools import cache
from pathlib import Path

import jinja2

from tasks.report import vega
from tasks.report.chart_style import CONFIG
from tasks.report.library import library_element
from tasks.report.view import Page, PageBlock, Section

_HERE = Path(__file__).parent
MOST_ROWS, MOST_POINTS, MOST_LETTERS = 200, 50, 1000
"""What a table, a list and one text show at most; the page says what it leaves out."""


def page_html(page: Page) -> str:
    """Render the page.

    Its policy lets the browser run our scripts and no other, whatever a text on the page says.
    """
    scripts, drawn = [_read("sort.js")], {}
    allowed = list(scripts)
    if any(_has_chart(block) for section in page.sections for block in section.blocks):
        scripts.append(_read("charts.js"))
        allowed = [*scripts, vega.library()]
        drawn = {"config": CONFIG, "library": library_element(vega.packed_library()), "notice": vega.notice()}
    policy = " ".join(map(_source, allowed))
    template = _templates().get_template("page.html")
    return template.render(page=page, style=_read("style.css"), scripts=scripts, policy=policy, drawn=drawn)


def section_html(section: Section) -> str:
    """Render one section as it stands in a page."""
    return str(_templates().get_template("blocks.html").module.section(section))  # type: ignore[attr-defined]


def _has_chart(block: PageBlock) -> bool:
    return block.kind in ("chart", "charts") or (block.kind == "details" and any(map(_has_chart, block.blocks)))


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _source(script: str) -> str:
    """Return a script as a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


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
    templates.globals |= {"still": vega.still, "embedded": vega.embedded}
    return templates


def _shortened(value: object) -> object:
    """Return a text as far as it is shown; what is marked safe is drawn by us."""
    if type(value) is not str or len(value) <= MOST_LETTERS:
        return value
    return f"{value[:MOST_LETTERS]}... ({len(value) - MOST_LETTERS:,} more letters)"
