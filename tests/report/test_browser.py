"""The page in a real browser, on a desktop and on a phone: it fits, and it asks for nothing but itself."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tasks.report import render_report
from tasks.report.config import ReportConfig
from tasks.report.html import page_html
from tasks.report.view import Page, Top
from tasks.validate.data_docs import write_docs
from tasks.validate.summary import DataSummary
from tasks.validate.verdicts import Verdict
from tests.browser import dump
from tests.hostile import HOSTILE, SCRIPT
from tests.report.conftest import MadeNight
from tests.report.hostile_night import write_page
from tests.report.summary import data_summary

pytestmark = pytest.mark.slow

POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
MEASURE = """<script>
const table = [...document.querySelectorAll("table")].find((e) => e.caption.textContent.startsWith("Against champion"));
const button = table.querySelectorAll("thead th")[1].querySelector("button");
const column = () => [...table.tBodies[0].rows].map((row) => row.cells[1].firstChild.textContent);
const heads = () => [...table.querySelectorAll("thead th")].map((head) => head.getAttribute("aria-sort"));
const steps = [[heads(), column()]];
for (let i = 0; i < 3; i++) { button.focus(); document.activeElement.click(); steps.push([heads(), column()]); }
const folded = [...document.querySelectorAll("details:not([open]) table")].filter((e) => e.checkVisibility());
const wide = [...document.querySelectorAll("body *")].filter(
  (e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, pre, svg"));
const asked = performance.getEntriesByType("resource").map((entry) => entry.name);
const small = [...document.querySelectorAll("svg text")].filter(
  (e) => e.getBoundingClientRect().height > 0 && e.getBoundingClientRect().width > 0 && Math.min(
    e.getBoundingClientRect().height, e.getBoundingClientRect().width) < 4).length;
parent.postMessage(JSON.stringify({width: innerWidth, scrolls: document.documentElement.scrollWidth,
  wide: wide.map((e) => e.tagName + "." + e.className).slice(0, 5), asked, small, steps,
  folded: folded.length, closed: document.querySelectorAll("details:not([open])").length,
  cut: [...document.querySelectorAll("table")].filter((e) => e.scrollWidth > e.parentElement.clientWidth + 1).map(
    (e) => e.caption.textContent),
  charts: document.querySelectorAll("svg").length}), "*");
</script>"""
WRAPPER = """<body><pre id="found">nothing was measured</pre><iframe src="page.html" width="{width}" height="900"
style="border: 0"></iframe><script>
addEventListener("message", (event) => document.getElementById("found").textContent = event.data);
</script></body>"""

PAPER = 1047
"""Pixels between the margins of A4, landscape."""
Load = Callable[[int, bool], dict[str, Any]]


@pytest.fixture(scope="module")
def load(browser: str, made_nights: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    """Return a function that opens the page, every part unfolded, at some width and returns what it measured there.

    A browser window has a least width; a frame of the wanted width inside it has not.
    """
    folder = tmp_path_factory.mktemp("browser")
    night = made_nights["later"]
    html = render_report(night.workspace, ReportConfig(), night.key, folder / "page.html").read_text(encoding="utf-8")
    html = POLICY.sub("", html).replace("</body>", f"{MEASURE}</body>")

    def measure(width: int, printed: bool) -> dict[str, Any]:
        import html as entities
        import json

        shown = html.replace("@media print", "@media all") if printed else html.replace("<details>", "<details open>")
        (folder / "page.html").write_text(shown, encoding="utf-8")
        wrapper = folder / f"wrapper{width}.html"
        wrapper.write_text(WRAPPER.format(width=width), encoding="utf-8")
        dom = dump(browser, wrapper, folder / f"profile{width}")
        found = re.search(r'<pre id="found">(.*?)</pre>', dom, re.S)
        assert found, dom[:500]
        measured: dict[str, Any] = json.loads(entities.unescape(found[1]))
        return measured

    yield measure


@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_and_asks_for_nothing(load: Load, width: int) -> None:
    found = load(width, False)
    assert found["width"] == width
    _sorts(found["steps"])
    assert found["asked"] == []
    assert found["wide"] == []
    assert found["scrolls"] <= width
    assert found["charts"] > 10
    assert found["small"] == 0


def _sorts(steps: list[tuple[list[str | None], list[str]]]) -> None:
    """Down, up, and back to the order of the page, said to those who cannot see it."""

    def size(text: str) -> float:
        return float(re.sub(r"[^\d.-]", "", text.replace("\N{MINUS SIGN}", "-")))

    heads, columns = [[head for head in at if head] for at, _ in steps], [column for _, column in steps]
    assert heads == [[], ["descending"], ["ascending"], []]
    assert columns[0] == columns[3] != columns[1]
    assert [size(text) for text in columns[1]] == sorted(map(size, columns[0]), reverse=True)
    assert [size(text) for text in columns[2]] == sorted(map(size, columns[0]))


def test_paper_holds_every_column_and_what_is_folded(load: Load) -> None:
    found = load(PAPER, True)
    assert found["cut"] == []
    assert found["scrolls"] <= PAPER
    assert found["closed"] > 5 and found["folded"] > 5


def test_the_policy_stops_a_text_that_was_not_escaped(browser: str, tmp_path: Path) -> None:
    html = page_html(Page("page", "", Top("quiet", "good", "", (), (), ()), ()))
    injected = html.replace("</main>", f"{SCRIPT}</main>")
    (tmp_path / "stopped.html").write_text(injected, encoding="utf-8")
    (tmp_path / "bare.html").write_text(POLICY.sub("", injected), encoding="utf-8")
    stopped, bare = (dump(browser, tmp_path / f"{name}.html", tmp_path / "profile") for name in ("stopped", "bare"))
    assert "<title>PWNED</title>" in bare
    assert "<title>PWNED</title>" not in stopped


def test_no_text_of_a_person_or_a_log_runs(browser: str, copy_of: Callable[[str], MadeNight], tmp_path: Path) -> None:
    """In the report and in the Data Docs; the first page shows that what runs is seen."""

    def title(page: Path) -> str:
        found = re.search(r"<title>(.*?)</title>", dump(browser, page, tmp_path / "profile"), re.S)
        assert found, page
        return found[1]

    (tmp_path / "bare.html").write_text(f"<title>bare</title>{SCRIPT}")
    assert title(tmp_path / "bare.html") == "PWNED"
    html = write_page(copy_of("later"), tmp_path / "page.html")
    bare = POLICY.sub("", html)  # escaping has to do alone
    (tmp_path / "page.html").write_text(bare.replace("<details>", "<details open>"), encoding="utf-8")
    assert title(tmp_path / "page.html") != "PWNED"
    document = data_summary().as_json() | {"passed": False, "source": SCRIPT}
    for name, side in document["side_tables"].items():
        side |= {"table": name, "key": SCRIPT}
    summary = DataSummary.model_validate(document)
    verdicts = [Verdict("types", "users", "failed", text, text, text, column=text) for text in HOSTILE]
    write_docs(tmp_path, summary, {"users": verdicts})
    assert title(tmp_path / "users.html") != "PWNED"
