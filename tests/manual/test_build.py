"""The site is built whole and strictly, and a browser that opens it fetches nothing."""

import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from manual import build as building
from manual.cells import notebook
from tasks.core.errors import DwellError
from tests.browser import dump

pytestmark = pytest.mark.slow

TOUR = "# %% [markdown]\n# # A tour\n\n# %%\n1 + 1\n"


def fetched(page: str) -> list[str]:
    """Return the addresses of what a browser loads by itself to show a page."""
    tags = re.findall(r"<(script|img|iframe|source|link)\b([^>]*)>", page)
    links = [
        attributes for tag, attributes in tags if tag != "link" or re.search("stylesheet|icon|preload", attributes)
    ]
    return [address for attributes in links for address in re.findall(r'\b(?:src|href)="([^"]+)"', attributes)]


@pytest.fixture(scope="session")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tour")
    (folder / "tour.py").write_text(TOUR)
    made = folder / "tour.ipynb"
    made.write_text(json.dumps(notebook(folder / "tour.py")))
    return made


@pytest.fixture(scope="session")
def site(tour: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    night = tmp_path_factory.mktemp("night")
    (night / "report.html").write_text("<title>the night</title>")
    first = building.build(tmp_path_factory.mktemp("built") / "site", tour, night)
    return first.parent / version("dwell")


def pages(site: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(site.rglob("*.html")):
        yield path, path.read_text(encoding="utf-8")


def test_the_site_holds_what_a_newcomer_looks_for(site: Path) -> None:
    for place, words in {
        "index.html": "evidence-gated",
        "first_night.html": "Look at the result",
        "tour.html": "A tour",
        "commands.html": "dwell nightly",
        "keys.html": "stage_retries",
        "docs/methods/debias.html": "Exact likelihood",
        "benchmarks/gate/results/power.html": "evidence over the reign",
        "pictures.html": "power-1.svg",
        "shown/models/heads/base.py.html": "class",
    }.items():
        assert words in (site / place).read_text(encoding="utf-8"), place
    assert (site / "night.html").read_text() == "<title>the night</title>"
    assert json.loads((site / "tour.ipynb").read_text())["nbformat"] == 4


def test_nothing_is_fetched_from_elsewhere_and_what_is_fetched_is_there(site: Path) -> None:
    checked = 0
    for path, text in pages(site):
        for address in fetched(text):
            assert not re.match(r"(https?:)?//", address), f"{path.name} fetches {address}"
            if path.name != "404.html" and not address.startswith("data:"):
                assert (path.parent / address.partition("?")[0]).exists(), f"{path.name} lacks {address}"
                checked += 1
    assert checked > 100


def test_the_search_finds_pages_where_the_site_is_opened_from_a_file(browser: str, site: Path, tmp_path: Path) -> None:
    page = site / "index.html"

    def results(query: str) -> list[str]:
        dom = dump(browser, page, tmp_path / "profile", f"?q={query}")
        return [
            re.sub(r"[?#].*", "", link) for link in re.findall(r'<a href="([^"]+)" class="md-search-result__link"', dom)
        ]

    found = results("propensities")
    assert (site / "docs/methods/debias.html").as_uri() in found
    assert results("qwertyuiop") == []


def test_what_a_page_fetches_is_seen() -> None:
    page = '<link rel="icon" href="a.png"><link rel="next" href="b.html"><a href="c"></a><script async src="https://d/e.js">'
    assert fetched(page) == ["a.png", "https://d/e.js"]


def test_tables_and_lists_are_read_as_such(site: Path) -> None:
    """GitHub begins a list without an empty line before it, and an empty line ends a table in either."""
    broken = []
    for path, text in pages(site):
        shown = re.sub(r"<pre.*?</pre>|<code.*?</code>", "", text, flags=re.DOTALL)
        for paragraph in re.findall(r"<p>(.*?)</p>", shown, re.DOTALL):
            if re.search(r"^\s*(\|.*\|\s*$|[-*] |```)", paragraph, re.MULTILINE):
                broken.append(f"{path.relative_to(site)}: {paragraph[:80]!r}")
    assert broken == []


@pytest.mark.parametrize(
    ("planted", "said"),
    [("# Top\n\n[gone](gone.md)\n", "gone.md"), ("# Top\n\n[no heading](commands.md#dwell-fly)\n", "dwell-fly")],
)
def test_a_link_that_leads_nowhere_ends_the_build(
    tmp_path: Path, planted: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    few = {"commands.md": "# Commands\n\n## dwell nightly\n"}
    for place, text in {**few, "index.md": planted}.items():
        (tmp_path / "pages").mkdir(exist_ok=True)
        (tmp_path / "pages" / place).write_text(text)
    with pytest.raises(DwellError, match="1 warning"):
        building._build_strictly(
            tmp_path / "pages", tmp_path / "site", [{"Home": "index.md"}, {"Commands": "commands.md"}]
        )
    assert said in caplog.text


def test_a_night_without_a_report_is_refused(tmp_path: Path, tour: Path) -> None:
    with pytest.raises(DwellError, match=r"holds no report\.html: name the archive of a night"):
        building.build(tmp_path / "site", tour, tmp_path)
