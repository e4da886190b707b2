"""Charts in a real browser: they answer where scripts run, stand still where none does, and ask for nothing."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.report import charts
from tasks.report.html import page_html
from tasks.report.library import share_library
from tasks.report.view import Chart, Charts, Page, Plot, Section, Top, fold
from tests.devtools import Tab, steered
from tests.hostile import HOSTILE
from tests.report.test_browser import POLICY

pytestmark = pytest.mark.slow

CTRL = 2
"""Of the DevTools protocol."""
LONG = "seed_1_of_a_recipe_with_a_name_longer_than_any_phone_is_wide"
PLOTS = {
    "intervals": charts.intervals([("d2q", 0.61, 0.6, 0.62), ("wlr_mmoe", 0.65, 0.64, 0.66)], "XAUC", "of two models"),
    "lines": charts.lines(
        [charts.Series("seed 0", [1, 2, 3], [3, 2, 1]), charts.Series(LONG, [1, 2, 3], [4, 3, 2], 1)],
        "epoch",
        "loss",
        "of two seeds",
        whole_x=True,
    ),
    "days": charts.over_days([dt.date(2026, 1, day) for day in range(1, 9)], [0.6] * 8, "XAUC", "of eight nights"),
    "bars": charts.bars([("ingest", 3.0), ("train", 9.0)], "seconds", "of two stages"),
}
HIDDEN = charts.bars([("one", 1.0)], "seconds", "of a stage that is folded away")
ALL_DRAWN = "document.querySelectorAll('.drawn').length === {count}"
AXIS = "[...document.querySelectorAll('{of} .role-axis-label text')].map((text) => text.textContent).join()"


def written(folder: Path, *plots: Plot, folded: Plot | None = None) -> Path:
    """Write a page of charts, each in a figure of its own number from 0."""
    blocks = [Charts(tuple(Chart(f"{number}.", plot) for number, plot in enumerate(plots)))]
    more = [fold("more", Chart("folded.", folded))] if folded is not None else []
    page = Page("page", "", Top("quiet", "good", "", (), (), ()), (Section("one", "One", (*blocks, *more)),))
    html = page_html(page)
    for number in range(len(plots)):
        html = html.replace("<figure>", f'<figure id="figure{number}">', 1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "page.html").write_text(html, encoding="utf-8")
    return folder / "page.html"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("live"), *PLOTS.values(), folded=HIDDEN)


@pytest.fixture(scope="module")
def one_browser(browser: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with steered(browser, tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def tab(one_browser: Tab) -> Tab:
    """A page that has said and asked nothing yet, on a light screen."""
    one_browser.said.clear()
    one_browser.asked.clear()
    one_browser.media()
    return one_browser


def figure(name: str) -> str:
    return f"#figure{list(PLOTS).index(name)}"


def test_pictures_are_replaced_and_nothing_is_asked_for(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.until(ALL_DRAWN.format(count=4))
    shown = "[...document.querySelectorAll('.chart > svg')].map((still) => getComputedStyle(still).display)"
    assert tab.value(shown) == ["none"] * 4 + ["block"], "the one that is folded away was not drawn"
    tab.value("document.querySelector('details').open = true")
    tab.until(ALL_DRAWN.format(count=5))
    assert tab.value(
        "[...document.querySelectorAll('.live svg')].every((svg) => svg.getBoundingClientRect().height > 40)"
    )
    assert tab.value("getComputedStyle(document.getElementById('chart-help')).display") == "block"
    assert tab.said == []
    assert tab.asked == [page.as_uri()]


def test_keys_and_readers_pass_a_chart_by(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.until(ALL_DRAWN.format(count=4))
    assert (
        tab.value("document.querySelectorAll('.chart a, .chart button, .chart input, .chart [tabindex]').length") == 0
    )
    assert tab.value(
        "[...document.querySelectorAll('.live')].every((live) => live.getAttribute('aria-hidden') === 'true')"
    )
    labels = "[...document.querySelectorAll('[role=img]')].map((chart) => chart.getAttribute('aria-label'))"
    assert tab.value(labels) == [plot.description for plot in (*PLOTS.values(), HIDDEN)]


def test_a_mark_tells_its_numbers(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.until(ALL_DRAWN.format(count=4))
    said = {}
    for name, mark in (
        ("intervals", ".layer_1_marks path"),
        ("lines", ".layer_1_marks path"),
        ("bars", ".layer_0_marks path"),
    ):
        tab.point(f"{figure(name)} .live {mark}")
        tab.until("document.querySelector('#vg-tooltip-element.visible')")
        said[name] = tab.value("document.getElementById('vg-tooltip-element').innerText").split()
        tab.do("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
        tab.until("!document.querySelector('#vg-tooltip-element.visible')")
    assert said == {
        "intervals": ["d2q", "value", "0.61", "from", "0.6", "to", "0.62"],
        "lines": ["seed", "0", "epoch", "1", "loss", "3"],
        "bars": ["ingest", "seconds", "3"],
    }


def test_a_legend_chooses_a_series_and_lets_it_go(tab: Tab, page: Path) -> None:
    lines = figure("lines")
    opacity = f"[...document.querySelectorAll('{lines} .live .layer_0_marks path')].map((p) => p.getAttribute('opacity')).join()"
    tab.open(page)
    tab.until(ALL_DRAWN.format(count=4))
    assert tab.value(opacity) == "1,1"
    tab.point(f"{lines} .live .role-legend-label text", click=True)
    tab.until(f"{opacity} === '1,0.06'")
    tab.point(f"{lines} .live .role-legend-label text", click=True)
    tab.until(f"{opacity} === '1,1'")


def test_a_wheel_moves_a_chart_with_ctrl_and_the_page_without(tab: Tab, page: Path) -> None:
    days = figure("days")
    labels = AXIS.format(of=f"{days} .live")
    tab.open(page, height=500)
    tab.value(f"document.querySelector('{days}').scrollIntoView({{block: 'center', behavior: 'instant'}})")
    tab.until(f"document.querySelector('{days} .drawn')")
    before = tab.value(labels)
    tab.point(f"{days} .live svg")
    box = tab.value(f"document.querySelector('{days} .live svg').getBoundingClientRect().toJSON()")
    wheel = {"type": "mouseWheel", "x": box["x"] + 200, "y": box["y"] + 60, "deltaX": 0}
    tab.do("Input.dispatchMouseEvent", **wheel, deltaY=-300, modifiers=CTRL)
    tab.until(f"{labels} !== {json.dumps(before)}")
    nearer, top = tab.value(labels), tab.value("scrollY")
    tab.do("Input.dispatchMouseEvent", **wheel, deltaY=-100)
    tab.until(f"scrollY < {top}")
    assert tab.value(labels) == nearer


def test_without_scripts_every_picture_stands(tab: Tab, page: Path) -> None:
    tab.open(page, scripts=False)
    assert tab.value("document.querySelectorAll('.live').length") == 0
    assert tab.value(
        "[...document.querySelectorAll('figure[id] svg')].every((svg) => svg.getBoundingClientRect().height > 40)"
    )
    assert "seed_1" in tab.value(f"document.querySelector('{figure('lines')}').textContent")
    assert not tab.value("document.getElementById('chart-help').checkVisibility()")
    assert tab.said == []
    assert tab.asked == [page.as_uri()]


def test_paper_has_the_still_pictures(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.until(ALL_DRAWN.format(count=4))
    tab.media("print")
    assert not tab.value("[...document.querySelectorAll('.live, #chart-help')].some((part) => part.checkVisibility())")
    assert tab.value("[...document.querySelectorAll('figure[id] .chart > svg')].every((svg) => svg.checkVisibility())")


def test_colours_follow_the_page_without_drawing_anew(tab: Tab, page: Path) -> None:
    tab.open(page)
    tab.until(ALL_DRAWN.format(count=4))
    for scheme in ("light", "dark", "light"):
        tab.media(scheme=scheme)
        wanted = tab.value("getComputedStyle(document.documentElement).getPropertyValue('--series-0')")
        probe = f"(() => {{ const p = document.createElement('p'); p.style.color = '{wanted}'; document.body.append(p);"
        colour = tab.value(f"{probe} const c = getComputedStyle(p).color; p.remove(); return c; }})()")
        for part in (".live", ".chart > svg"):
            mark = f"{figure('bars')} {part} .layer_0_marks path"
            assert tab.value(f"getComputedStyle(document.querySelector('{mark}')).fill") == colour


@pytest.mark.parametrize("width", [390, 1400])
def test_a_drawn_chart_fits_its_figure(tab: Tab, page: Path, width: int) -> None:
    tab.open(page, width=width, height=2500)
    tab.until(ALL_DRAWN.format(count=4))
    assert tab.value("document.documentElement.scrollWidth") <= width
    over = "(e) => e.getBoundingClientRect().right - e.closest('figure').getBoundingClientRect().right"
    assert tab.value(f"Math.max(...[...document.querySelectorAll('.live svg')].map({over}))") <= 1
    heights = "[...document.querySelectorAll('figure[id] .chart')].map((chart) => chart.getBoundingClientRect().height)"
    kept = "[...document.querySelectorAll('figure[id] .chart > svg')].map((still) => still.height.baseVal.value)"
    assert tab.value(heights) == pytest.approx(tab.value(kept), abs=3), "nothing moves when pictures are replaced"
    tab.point(f"{figure('lines')} .live .layer_1_marks path:last-child")
    tab.until("document.querySelector('#vg-tooltip-element.visible')")
    box = tab.value("document.getElementById('vg-tooltip-element').getBoundingClientRect().toJSON()")
    assert 0 <= box["left"] < box["right"] <= width
    sizes = "[...document.querySelectorAll('.live text')].map((text) => parseFloat(getComputedStyle(text).fontSize))"
    assert tab.value(f"Math.min(...{sizes})") >= 11


@pytest.mark.parametrize("width", [320, 390])
def test_every_name_in_a_legend_is_inside_its_chart(tab: Tab, tmp_path: Path, width: int) -> None:
    names = ("2026-01-01 to 2026-01-13", "fused, by cost of a skip", "watch-time score alone", LONG)
    series = [charts.Series(name, [1, 2], [place, 1], place) for place, name in enumerate(names)]
    narrow = written(tmp_path, charts.lines(series, "skip@10, %", "WT@10, s", "of four"))
    tab.open(narrow, width=width, height=1500)
    tab.until(ALL_DRAWN.format(count=1))
    over = "(text) => text.getBoundingClientRect().right - text.closest('svg').getBoundingClientRect().right"
    assert tab.value(f"Math.max(...[...document.querySelectorAll('.live text')].map({over}))") <= 0
    shown = tab.value("[...document.querySelectorAll('.live .role-legend-label text')].map((text) => text.textContent)")
    assert shown[:3] == list(names[:3]) and len(shown) == 4


def test_nothing_moves_when_the_first_chart_is_drawn(tab: Tab, page: Path) -> None:
    top = "document.querySelector('.chart').getBoundingClientRect().top + scrollY"
    early = "addEventListener('DOMContentLoaded', () => { window.before = TOP; })".replace("TOP", top)
    added = tab.do("Page.addScriptToEvaluateOnNewDocument", source=early)
    tab.open(page, width=390)
    tab.until("document.querySelector('.drawn')")
    tab.do("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])
    assert tab.value("window.before") == tab.value(top)


@pytest.mark.parametrize("lacks", ["DecompressionStream", "IntersectionObserver"])
def test_a_browser_that_lacks_what_charts_need_keeps_the_pictures(tab: Tab, page: Path, lacks: str) -> None:
    added = tab.do("Page.addScriptToEvaluateOnNewDocument", source=f"delete window.{lacks}")
    tab.open(page, width=390)
    tab.do("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])
    assert tab.said == []
    assert tab.value("document.querySelectorAll('.waiting, .live').length") == 0
    assert not tab.value("document.getElementById('chart-help').checkVisibility()")


@pytest.mark.parametrize("policy", [True, False])
def test_hostile_names_are_drawn_and_do_nothing(tab: Tab, tmp_path: Path, policy: bool) -> None:
    """Escaping has to do alone, too, where the policy is taken away."""
    rows = [(name, float(place), place - 1.0, place + 1.0) for place, name in enumerate(HOSTILE)]
    series = [charts.Series(name, [1, 2], [place, place + 1]) for place, name in enumerate(HOSTILE[:8])]
    hostile = written(
        tmp_path,
        charts.intervals(rows, HOSTILE[2], HOSTILE[0]),
        charts.lines(series, HOSTILE[0], HOSTILE[1], HOSTILE[2]),
    )
    if not policy:
        hostile.write_text(POLICY.sub("", hostile.read_text(encoding="utf-8")), encoding="utf-8")
    tab.open(hostile, height=2500)
    tab.until(ALL_DRAWN.format(count=2))
    tab.point("#figure0 .live .layer_1_marks path")
    tab.until("document.querySelector('#vg-tooltip-element.visible')")
    assert HOSTILE[0] in tab.value("document.getElementById('vg-tooltip-element').innerText")
    assert tab.value("document.title") == "page: quiet"
    assert tab.said == []
    assert tab.asked == [hostile.as_uri()]


def test_pages_that_share_a_library_draw_from_it(tab: Tab, page: Path, tmp_path: Path) -> None:
    shared = share_library(page.read_bytes(), "../../")
    assert shared is not None
    place = tmp_path / "source/2026-01-15/report.html"
    place.parent.mkdir(parents=True)
    place.write_bytes(shared.html)
    (tmp_path / shared.name).write_bytes(shared.script)
    tab.open(place)
    tab.until(ALL_DRAWN.format(count=4))
    assert tab.asked == [place.as_uri(), (tmp_path / shared.name).as_uri()]
    assert tab.said == []
    (tmp_path / shared.name).unlink()
    tab.open(place)
    assert tab.value("[...document.querySelectorAll('figure[id] .chart > svg')].every((svg) => svg.checkVisibility())")
