"""The pages of all nights, from ledgers, archives and notes of failures as nights leave them."""

import datetime as dt
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tasks.core.errors import ConfigError
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.core.timings import StageCost
from tasks.evaluate.document import MeasuredNumber
from tasks.night.calendar import note_failure
from tasks.night.headline import Headline
from tasks.report import charts, vega
from tasks.report.html import page_html
from tasks.report.library import library_element, packed
from tasks.report.operations import Operations
from tasks.report.view import Chart, Page, Section, Top
from tasks.site import build_site
from tests.hostile import SCRIPT
from tests.registry.conftest import Nights, day
from tests.weekly.proposed import propose

SOURCE = "registry"
"""Name of the source, because `Nights` calls the folder of its registry so."""


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found = list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src") and value is not None]


def links(page: Path) -> Iterator[str]:
    parser = _Links()
    parser.feed(page.read_text())
    yield from (link for link in parser.found if not link.startswith(("#", "data:")))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Three nights, of which the third failed and the second is archived no more; the fourth was never tried."""
    place, nights = Workspace(tmp_path), Nights(tmp_path / "registry")
    for number, winner in ((1, "a"), (2, None)):
        nights.run(number, winner=winner)
        metrics = {"xauc": MeasuredNumber(value=0.6 + number / 100, low=0.59, high=0.64)}
        Headline(
            as_of=day(number),
            verdict="keep",
            serves="a",
            metrics=metrics,
            rows=1000,
            quarantined=number,
            drift={"scene": 0.1},
        ).write(place.headline(SOURCE, day(number)))
    archive = place.night(SOURCE, day(1))
    archive.mkdir(parents=True)
    (archive / "report.html").write_text("the report")
    cost = StageCost(seconds=12.5, cpu_seconds=20.0, peak_mib=300.0)
    Operations(stages={"train@a": "ran"}, timings={"train@a": cost}).write(archive / "operations.json")
    key = RunKey(as_of=day(3), source=SOURCE, data="d", arithmetic="native")
    note_failure(place, key, ValueError(f"stage validate failed: {SCRIPT}\nand more"), ["reading", SCRIPT])
    return place


def build(place: Workspace, latest: dt.date | None = None, nights: int = 30) -> Path:
    return build_site(place, "clips", nights, lambda source: latest)


def test_every_page_is_reached_and_nothing_is_fetched(workspace: Workspace) -> None:
    first = build(workspace, latest=day(4))
    assert list(links(first)) == [f"{SOURCE}/index.html"]
    page = first.parent / SOURCE / "index.html"
    assert list(links(page)) == [f"{day(3)}/failure.html", f"{day(1)}/report.html"]
    assert all((page.parent / link).is_file() for link in links(page))
    assert (page.parent / f"{day(1)}/report.html").read_text() == "the report"
    files = {file.relative_to(first.parent).as_posix() for file in first.parent.rglob("*") if file.is_file()}
    (library,) = (file for file in files if file.endswith(".js"))
    assert files - {library} == {"index.html", *(f"{SOURCE}/{name}" for name in ("index.html", *links(page)))}


def test_pages_share_one_library_and_archives_keep_theirs(workspace: Workspace) -> None:
    plot = charts.bars([("ingest", 3.0)], "seconds", "one stage")
    report = page_html(
        Page("night", "", Top("kept", "good", "", (), (), ()), (Section("s", "S", (Chart("c", plot),)),))
    )
    archived = workspace.night(SOURCE, day(1)) / "report.html"
    archived.write_text(report, encoding="utf-8")
    site = build(workspace).parent
    (library,) = site.rglob("*.js")
    assert library.read_text(encoding="utf-8") == vega.library()
    pages = {page.parent.name: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    assert f'data-file="../{library.name}"' in pages[SOURCE]
    assert f'data-file="../../{library.name}"' in pages[str(day(1))]
    assert "library" not in pages[str(day(3))], "a page without charts"
    assert all(len(page) < 100_000 for page in pages.values())
    assert vega.still(plot) in pages[str(day(1))]
    assert archived.read_text(encoding="utf-8") == report


def test_pages_of_other_releases_keep_their_library(workspace: Workspace) -> None:
    old = library_element(packed("of another release"))
    (workspace.night(SOURCE, day(1)) / "report.html").write_text(f"<main></main>{old}", encoding="utf-8")
    files = {file.name: file.read_text(encoding="utf-8") for file in build(workspace).parent.rglob("*.js")}
    assert len(files) == 2 and "of another release" in files.values()


WHOLE = f"<main>\xe9</main>{library_element(packed('draw(); ' * 99))}<footer>".encode()
PACKED = WHOLE.index(b'id="library">') + len(b'id="library">')


@pytest.mark.parametrize(
    "damaged",
    [
        WHOLE[: PACKED + 40],
        WHOLE[:PACKED] + b"\xff" + WHOLE[PACKED + 1 :],
        WHOLE[: PACKED + 20] + b"AAAA" + WHOLE[PACKED + 24 :],
        WHOLE[: PACKED + 4] + WHOLE[PACKED + 8 :],
        WHOLE[: PACKED + 40] + WHOLE[WHOLE.index(b"</script>") :],
    ],
    ids=["cut", "byte", "letters", "lost", "short"],
)
def test_a_damaged_page_is_named_copied_as_it_is_and_stops_no_other(
    workspace: Workspace, caplog: pytest.LogCaptureFixture, damaged: bytes
) -> None:
    (workspace.night(SOURCE, day(1)) / "report.html").write_bytes(damaged)
    site = build(workspace).parent
    assert (site / SOURCE / str(day(1)) / "report.html").read_bytes() == damaged
    assert f"{SOURCE}/{day(1)}/report.html is damaged: " in caplog.text


def test_a_page_without_a_library_keeps_its_bytes(workspace: Workspace) -> None:
    page = b"of an older release\r\n in latin-1: \xe9\r"
    (workspace.night(SOURCE, day(1)) / "report.html").write_bytes(page)
    assert (build(workspace).parent / SOURCE / str(day(1)) / "report.html").read_bytes() == page


def test_the_calendar_has_holes_with_their_cause_and_remedy(workspace: Workspace) -> None:
    page = (build(workspace, latest=day(4)).parent / SOURCE / "index.html").read_text()
    outcomes = re.findall(r"<td[^>]*>(promoted|kept|failed|missing)</td>", re.sub(r">\s+", ">", page))
    assert outcomes == ["missing", "failed", "kept", "promoted"]
    assert f"dwell backfill --from {day(3)} --to {day(4)} --source {SOURCE}" in page
    assert "missing" in (build(workspace, latest=day(4)).read_text())


def test_a_failure_shows_its_cause_and_log_as_text(workspace: Workspace) -> None:
    page = (build(workspace).parent / SOURCE / str(day(3)) / "failure.html").read_text()
    assert SCRIPT not in page
    assert page.count("&lt;script&gt;") == 2
    assert "and more" in page
    assert f"dwell nightly --as-of {day(3)} --source {SOURCE}" in page


def test_trends_say_their_numbers_and_survive_the_archive(workspace: Workspace) -> None:
    page = (build(workspace).parent / SOURCE / "index.html").read_text()
    assert "XAUC of 2 nights, the last 0.6200" in page
    assert "Share in quarantine of 2 nights, the last 0.2 %" in page
    assert "Time of the stages that ran of 1 night, the last 12.5 s" in page


def test_what_is_proposed_is_shown_until_it_is_merged(workspace: Workspace) -> None:
    propose(workspace, SOURCE, day(2))
    page = build(workspace).parent / SOURCE / "index.html"
    assert f"more_days, night {day(2)}: more days pay; it would pay: window.fit_days 4." in page.read_text()
    assert f"dwell proposals --source {SOURCE} --merge more_days" in page.read_text()
    assert "+  fit_days: 4" in page.read_text()
    workspace.params.write_text("window:\n  fit_days: 4\n", encoding="utf-8")
    assert "more_days" not in build(workspace).parent.joinpath(SOURCE, "index.html").read_text()


def test_equal_nights_give_equal_bytes(workspace: Workspace) -> None:
    def pages() -> dict[str, bytes]:
        root = build(workspace).parent
        return {str(file): file.read_bytes() for file in sorted(root.rglob("*.*"))}

    assert pages() == pages()


def test_what_was_made_before_goes(workspace: Workspace) -> None:
    build(workspace)
    (workspace.site / SOURCE / "old.html").write_text("")
    build(workspace, nights=2)
    assert not (workspace.site / SOURCE / "old.html").exists()
    assert not (workspace.site / SOURCE / str(day(1))).exists(), "only the last two nights were asked for"


def test_without_nights_it_says_how_the_first_is_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no night was run here yet"):
        build(Workspace(tmp_path))
    assert not Workspace(tmp_path).site.exists()
