"""What a page may run, and how large it may become."""

import base64
import gzip
import hashlib
import html as entities
import math
import re
import subprocess
import sys

import pytest

from tasks.report import charts, vega
from tasks.report.html import MOST_LETTERS, MOST_POINTS, MOST_ROWS, page_html
from tasks.report.library import packed, share_library
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


DRAWN = Charts((Chart("Seconds.", charts.bars([("ingest", 3.0), ("train", 9.0)], "seconds", "two stages")),))


def allowed(html: str) -> list[str]:
    """Return what the policy of a page lets run."""
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    assert "default-src 'none'" in policy
    return entities.unescape(policy).partition("script-src ")[2].split()


def source(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def test_the_policy_lets_the_page_s_own_script_run_and_no_other() -> None:
    html = page(Text("<script>alert(1)</script>"))
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.S)
    assert allowed(html) == [source(script)]
    assert "library" not in html, "a page without charts holds no library"


def test_the_policy_of_charts_adds_their_script_and_the_library_and_no_evaluation_of_texts() -> None:
    html = page(DRAWN)
    scripts = re.findall(r"<script>(.*?)</script>", html, re.S)
    (packed,) = re.findall(r'<script type="text/plain" id="library">(.*?)</script>', html)
    library = gzip.decompress(base64.b64decode(packed)).decode()
    assert library == vega.library()
    assert allowed(html) == [*map(source, scripts), source(library)] and len(scripts) == 2
    comment = html.partition("<!-- ")[2].partition(" -->")[0]
    for copy in (comment, library.partition("*/")[0]):
        assert vega.licences() in copy, "notices, conditions and disclaimers go with every copy"


def test_licences_name_the_works_and_break_no_comment() -> None:
    said = vega.licences()
    for work in ("Vega", "Vega-Lite", "Vega-Embed", "Vega-Tooltip", "d3-array", "d3-ease", "semver", "fast-json-patch"):
        assert re.search(rf"^.*\b{work}\b.*: Copyright .*$", said, re.M), work
    for words in ("Redistributions in binary form", "Permission to use, copy", "Permission is hereby granted", "AS IS"):
        assert words in said
    assert "--" not in said and "*/" not in said and "</" not in said
    assert len(said) < 8_000


def test_a_chart_is_a_still_picture_its_words_and_its_data() -> None:
    html = page(DRAWN)
    (plot,) = (chart.plot for chart in DRAWN.charts)
    assert f'<div class="chart" role="img" aria-label="two stages">{vega.still(plot)}</div>' in html
    assert f'<script type="application/json">{vega.embedded(plot.spec)}</script>' in html


def test_pages_share_a_library_that_lies_beside_them() -> None:
    html = page(DRAWN)
    shared = share_library(html.encode(), "../../")
    assert shared is not None
    assert shared.script == vega.library().encode()
    assert shared.name == f"charts-{hashlib.sha256(shared.script).hexdigest()[:12]}.js"
    assert f'data-file="../../{shared.name}"></script>'.encode() in shared.html
    assert len(shared.html) < len(html) - 400_000
    assert allowed(shared.html.decode()) == ["'self'", "file:", *allowed(html)]
    assert share_library(shared.html, "../") is None and share_library(page().encode(), "") is None
    other = share_library(page(DRAWN, Text('<script type="text/plain" id="library">')).encode(), "../../")
    assert other is not None and other.name == shared.name, "named for what is in it, whatever a text says"


def test_a_library_is_packed_without_a_time_or_a_system() -> None:
    head = base64.b64decode(packed("draw()"))[:10]
    assert head == bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 255])


@pytest.mark.slow
def test_another_process_writes_the_same_bytes() -> None:
    code = "import hashlib, tests.report.test_html as t; print(hashlib.sha256(t.page(t.DRAWN).encode()).hexdigest())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(page(DRAWN).encode()).hexdigest()


@pytest.mark.slow
def test_a_page_of_many_recipes_seeds_and_segments_stays_small() -> None:
    """Ten recipes of five seeds and twenty epochs, and five segmentations of ten parts of each of them and of the champion."""
    drawn = []
    for recipe in (f"recipe_{number}" for number in range(10)):
        for dashes in ((False, True), (False,)):
            series = [
                charts.Series(f"seed {s}, {d}", list(range(20)), [math.exp(-(e + s) / 7) for e in range(20)], s, d)
                for s in range(5)
                for d in dashes
            ]
            drawn.append(Chart(recipe, charts.lines(series, "epoch", "loss", f"loss of {recipe}", whole_x=True)))
    for model in range(11):
        for by in range(5):
            rows = [(f"part {part}", 0.6 + math.sin(part + model) / 30, 0.55, 0.65) for part in range(10)]
            drawn.append(Chart(f"{model} {by}", charts.intervals(rows, "XAUC, with interval", f"{model} by {by}", 0.6)))
    assert len(drawn) == 75
    assert len(page(Charts(tuple(drawn))).encode()) < 2_000_000


@pytest.mark.slow
def test_a_page_stays_small_however_much_a_night_met() -> None:
    rows = tuple(TableRow((Cell(f"row {number}"), Cell("7" * 30_000))) for number in range(20_000))
    long = [float(number % 97) for number in range(4_000)]
    plot = charts.lines([charts.Series("seed 0", list(range(4_000)), long)], "epoch", "loss", "long")
    html = page(
        Text("x" * 3_000_000),
        PageTable("many", (TableHead("Row"), TableHead("Digits")), rows),
        Points(tuple(f"point {number}" for number in range(20_000))),
        Charts((Chart("long", plot),)),
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
