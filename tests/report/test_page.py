"""The whole page: one file, nothing to fetch, the same bytes from the same night, and honest about what is missing."""

import json
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tasks.core.document import MissingArtifact
from tasks.core.errors import ContractError
from tasks.core.files import read_json, remove, write_json, write_text
from tasks.core.layout import Workspace
from tasks.core.timings import StageCost
from tasks.report import FILE, Operations, archive_report, render_report
from tasks.report.config import ReportConfig
from tasks.report.inputs import Artifacts
from tasks.report.vega import licences
from tests.report.conftest import MadeNight
from tests.report.hostile_night import write_page

Nights = Mapping[str, Any]
OPERATIONS = Operations(
    stages={"ingest": "ran"}, timings={"ingest": StageCost(seconds=12.9, cpu_seconds=20.1, peak_mib=201.0)}
)


class Elements(HTMLParser):
    """Every element with its attributes, and whether all are closed in order."""

    void = frozenset({"meta", "link", "br", "hr", "img", "use", "path", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
            self.open.pop()


@pytest.fixture(scope="module")
def pages(made_nights: Nights, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The page of every made-up night."""
    folder = tmp_path_factory.mktemp("pages")
    written = {
        name: render_report(night.workspace, ReportConfig(), night.key, folder / f"{name}.html")
        for name, night in made_nights.items()
    }
    return {name: path.read_text(encoding="utf-8") for name, path in written.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["first", "later", "refused"])
def test_page_is_sound_and_fetches_nothing(pages: dict[str, str], name: str) -> None:
    elements = Elements(pages[name])
    assert not elements.open
    fetched = [value for _, attributes in elements.found for key, value in attributes.items() if key in ("src", "href")]
    assert fetched
    assert all(value.startswith("#") or value == "data:," for value in fetched)
    assert not [tag for tag, _ in elements.found if tag in ("iframe", "img", "object")]
    scripts = [attributes for tag, attributes in elements.found if tag == "script"]
    assert {tuple(attributes) for attributes in scripts} == {(), ("type",), ("type", "id")}
    assert {attributes["type"] for attributes in scripts if attributes} == {"application/json", "text/plain"}
    addresses = set(re.findall(r"https?:[^\s\"']*", pages[name].replace(licences(), "")))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}, (
        "names of XML, which nobody fetches"
    )
    assert "@import" not in pages[name] and "@font-face" not in pages[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["first", "later", "refused"])
def test_page_can_be_read_without_seeing_it(pages: dict[str, str], name: str) -> None:
    found = Elements(pages[name]).found
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = {attributes["href"][1:] for tag, attributes in found if tag == "a"}
    assert anchors <= set(ids)
    tags = [tag for tag, _ in found]
    assert tags.count("h1") == tags.count("main") == 1
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels)), "no level of headings is left out"
    assert tags.count("table") == tags.count("caption") > 5
    assert all("scope" in attributes for tag, attributes in found if tag == "th")
    charts = [attributes for _, attributes in found if attributes.get("role") == "img"]
    assert charts and all(len(attributes["aria-label"]) > 20 for attributes in charts)
    assert len(charts) == tags.count("svg") == tags.count("figcaption")
    scrolled = [attributes for _, attributes in found if attributes.get("class") == "scroll"]
    assert all(attributes["tabindex"] == "0" and attributes["aria-label"] for attributes in scrolled)
    assert dict(found)["html"]["lang"] == "en"


@pytest.mark.slow
def test_equal_nights_give_equal_bytes_wherever_they_lie(
    pages: dict[str, str], copy_of: Callable[[str], Any], tmp_path: Path
) -> None:
    copied = copy_of("later")
    page = render_report(copied.workspace, ReportConfig(), copied.key, tmp_path / "elsewhere/report.html")
    assert page.read_text(encoding="utf-8") == pages["later"]
    assert str(tmp_path) not in pages["later"]


@pytest.mark.slow
def test_the_archived_copy_differs_by_its_timings_alone(
    copy_of: Callable[[str], Any], pages: dict[str, str], tmp_path: Path
) -> None:
    night = copy_of("later")
    write_text(night.workspace.report / FILE, pages["later"])
    archived = archive_report(night.workspace, OPERATIONS, tmp_path / FILE).read_text(encoding="utf-8")
    assert "12.9 s" in archived and "12.9 s" not in pages["later"]
    section = re.compile(r'<section id="timings">.*?</section>', re.S)
    assert section.sub("", archived) == section.sub("", pages["later"])
    write_text(night.workspace.report / FILE, "<html></html>")
    with pytest.raises(ContractError, match=r"report\.html: other code made it: run the stage report again"):
        archive_report(night.workspace, OPERATIONS, tmp_path / FILE)


@pytest.mark.slow
def test_a_title_is_text_not_markup(made_nights: Nights, tmp_path: Path) -> None:
    night = made_nights["refused"]
    config = ReportConfig(title="<b>Market & Co</b>")
    page = render_report(night.workspace, config, night.key, tmp_path / "report.html").read_text()
    assert "<h1>&lt;b&gt;Market &amp; Co&lt;/b&gt;: night 2026-01-15</h1>" in page


@pytest.mark.parametrize(
    ("missing", "stage"),
    [
        ("artifacts/predictions/d2q/metrics.json", "evaluate@d2q"),
        ("artifacts/predictions/d2q/segments.json", "evaluate@d2q"),
        ("artifacts/predictions/wlr_mmoe/judge.parquet", "evaluate@wlr_mmoe"),
        ("artifacts/predictions/champion", "evaluate_champion"),
        ("artifacts/predictions/baselines/duration_table/metrics.json", "baselines"),
        ("artifacts/models/recipes/d2q/curves.csv", "train@d2q"),
        ("artifacts/models/recipes/wlr_mmoe", "train@wlr_mmoe"),
        ("artifacts/champion", "champion"),
        ("artifacts/forecast/forecast.json", "forecast"),
        ("artifacts/oracle", "oracle"),
        ("artifacts/oracle/d2q.json", "oracle"),
        ("artifacts/scores", "score"),
        ("artifacts/scores/top_k.parquet", "score"),
        ("data/validated/summary.json", "validate"),
    ],
)
def test_what_is_missing_names_the_stage_to_run(
    copy_of: Callable[[str], Any], tmp_path: Path, missing: str, stage: str
) -> None:
    night = copy_of("later")
    remove(night.workspace.root / missing)
    with pytest.raises(MissingArtifact, match=f"does not exist: run the stage {stage} first"):
        render_report(night.workspace, ReportConfig(), night.key, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("file", "stage"),
    [
        ("artifacts/gate/decision.json", "gate"),
        ("artifacts/predictions/d2q/metrics.json", "evaluate@d2q"),
        ("artifacts/predictions/champion/metrics.json", "evaluate_champion"),
        ("artifacts/models/recipes/wlr_mmoe/manifest.json", "train@wlr_mmoe"),
        ("artifacts/forecast/forecast.json", "forecast"),
        ("artifacts/oracle/oracle.json", "oracle"),
        ("artifacts/scores/summary.json", "score"),
        ("data/validated/summary.json", "validate"),
    ],
)
@pytest.mark.parametrize("older", [{"of_before": 1}, None])
def test_a_night_of_another_version_is_refused_by_the_file_that_differs(
    copy_of: Callable[[str], Any], tmp_path: Path, file: str, stage: str, older: dict[str, int] | None
) -> None:
    """Whether a file says more than today's or less: a page that shows half of it would look whole."""
    night = copy_of("later")
    path = night.workspace.root / file
    found = read_json(path)
    write_json(path, found | older if older else {})
    with pytest.raises(
        ContractError,
        match=rf"{re.escape(str(path))} is not what the stage {stage} writes today.*use the version that made the night",
    ):
        render_report(night.workspace, ReportConfig(), night.key, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_champion_of_another_version_keeps_its_place_on_the_page(copy_of: Callable[[str], Any]) -> None:
    night = copy_of("later")
    path = night.workspace.champion / "entry/bundle/manifest.json"
    write_json(path, read_json(path) | {"of_before": 1, "training": {"of": "before"}})
    assert Artifacts.read(night.workspace).model("champion").serving_seed == 1


def test_without_a_decision_there_is_no_page(made_nights: Nights, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="run the stage gate first"):
        render_report(Workspace(tmp_path), ReportConfig(), made_nights["first"].key, tmp_path / "report.html")


@pytest.mark.slow
def test_a_page_of_hostile_texts_has_the_elements_of_any_page(
    copy_of: Callable[[str], MadeNight], tmp_path: Path
) -> None:
    html = write_page(copy_of("later"), tmp_path / "page.html")
    elements = Elements(html)
    assert not elements.open
    assert not [tag for tag, _ in elements.found if tag in ("iframe", "img", "object")]
    run = [attributes for tag, attributes in elements.found if tag == "script" and "type" not in attributes]
    assert run == [{}, {}], "the page's own: for tables and for charts"
    for held in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', html, re.S):
        json.loads(held)
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]
    assert html.count("&lt;script&gt;document.title=") >= 4, "title, data, forced reason, warnings"
