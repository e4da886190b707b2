"""What a page may run, and how large it may become."""

import base64
import hashlib
import re

import pytest

from tasks.report import charts
from tasks.report.html import MOST_LETTERS, MOST_POINTS, MOST_ROWS, page_html
from tasks.report.view import (
    Cell,
    Chart,
    Charts,
    Commands,
    Page,
    PageTable,
    Points,
    Section,
    TableHead,
    TableRow,
    Text,
    Top,
)

TOP = Top("quiet", "good", "nothing", (), (), ())


def page(*blocks: Text | PageTable | Points | Charts | Commands) -> str:
    return page_html(Page("title", "subtitle", TOP, (Section("one", "One", blocks),)))


def test_the_policy_lets_the_page_s_own_script_run_and_no_other() -> None:
    html = page(Text("<script>alert(1)</script>"))
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.S)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in policy or f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy.partition("script-src")[2]


@pytest.mark.slow
def test_a_page_stays_small_however_much_a_night_met() -> None:
    rows = tuple(TableRow((Cell(f"row {number}"), Cell("7" * 30_000))) for number in range(20_000))
    long = [float(number % 97) for number in range(4_000)]
    svg = charts.lines([charts.Series("seed 0", list(range(4_000)), long)], "epoch", "loss", "long")
    html = page(
        Text("x" * 3_000_000),
        PageTable("many", (TableHead("Row"), TableHead("Digits")), rows),
        Points(tuple(f"point {number}" for number in range(20_000))),
        Charts((Chart("long", svg),)),
    )
    assert len(html.encode()) < 2_000_000
    assert f"row {MOST_ROWS - 1}<" in html and f"row {MOST_ROWS}<" not in html
    assert f"{20_000 - MOST_ROWS} more rows are not shown." in html
    assert f"{20_000 - MOST_POINTS} more are not shown." in html
    assert f"({3_000_000 - MOST_LETTERS:,} more letters)" in html


def test_nothing_is_left_out_of_what_is_not_long() -> None:
    rows = tuple(TableRow((Cell(f"row {number}"),)) for number in range(MOST_ROWS))
    lines = tuple(f"line {number} of a log" for number in range(200))
    html = page(PageTable("many", (TableHead("Row"),), rows), Points(("a", "b")), Commands(lines))
    assert "not shown" not in html and "more letters" not in html
    assert "\n".join(lines) in html
