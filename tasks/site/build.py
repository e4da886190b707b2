"""Put the pages together and copy what they lead to."""

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tasks.core.document import read_optional
from tasks.core.errors import ConfigError, ContractError
from tasks.core.files import write_bytes, write_text, writing
from tasks.core.layout import Workspace
from tasks.core.yaml_file import read_yaml
from tasks.night.calendar import Calendar, CalendarNight, Failure, calendar, failures
from tasks.night.headline import read_headlines
from tasks.registry import Registry
from tasks.registry.replay import RegistryStatus
from tasks.report import FILE as REPORT
from tasks.report.html import page_html
from tasks.report.library import DamagedLibrary, share_library
from tasks.report.operations import FILE as OPERATIONS
from tasks.report.operations import Operations
from tasks.report.view import (
    Cell,
    Commands,
    Fact,
    Page,
    PageBlock,
    PageTable,
    Section,
    TableHead,
    TableRow,
    Text,
    Tone,
    Top,
)
from tasks.site.trends import trends
from tasks.weekly.proposal import DIFF, open_proposals

INDEX, FAILURE = "index.html", "failure.html"
_log = logging.getLogger(__name__)
_TONES: Mapping[str, Tone] = {
    "promoted": "good", "kept": "plain", "refused": "warn", "lapsed": "warn", "failed": "bad", "missing": "bad",
    "interrupted": "bad", "running": "muted", "replayed": "muted", "forced": "warn",
}  # fmt: skip


def build_site(
    workspace: Workspace, title: str, nights: int, latest: Callable[[str], dt.date | None], at_work: bool = False
) -> Path:
    """Write the pages anew, and return the first of them.

    Below `site/`: index.html (the sources), SOURCE/index.html (trends and calendar), SOURCE/AS_OF/report.html (of archived
    nights) or failure.html (of nights that failed and came to no decision since). Links are relative and nothing is fetched
    from elsewhere, so the folder can be opened as it is, copied anywhere, or served by any web server. The library that draws
    charts is a file that all pages share.

    Args:
        workspace: where nights ran.
        title: name of the product or market.
        nights: how many to show of each source, up to the last that could have run.
        latest: returns that night of a source; None: the last one that did, or was tried.
        at_work: whether a process is at work in the workspace.

    Raises:
        ConfigError: if no night of any source was run yet.
        RegistryError: if a ledger was tampered with.
    """
    sources = {name: calendar(workspace, name, latest(name), nights, at_work) for name in _sources(workspace)}
    sources = {name: found for name, found in sources.items() if found.nights}
    if not sources:
        raise ConfigError("no night was run here yet, so there is nothing to show: `dwell nightly` runs the first")
    with writing(workspace.site) as folder:
        folder.mkdir(parents=True)
        status = {name: Registry(workspace.registry(name)).status() for name in sources}
        for name, found in sources.items():
            pages = dict(_copied(workspace, found, folder))
            page = page_html(_source_page(workspace, title, found, status[name], pages))
            _write(folder, f"{name}/{INDEX}", page.encode())
        write_text(folder / INDEX, page_html(_first_page(title, sources, status)))
    return workspace.site / INDEX


def _sources(workspace: Workspace) -> list[str]:
    roots = (workspace.root / "registry", workspace.root / "nights", workspace.failure("-", dt.date.min).parent.parent)
    return sorted({path.name for root in roots if root.is_dir() for path in root.iterdir() if path.is_dir()})


def _write(site: Path, page: str, html: bytes) -> None:
    """Write a page, given as its path below the site, and once for all pages the library that draws its charts.

    A page whose library cannot be read is written as it is: what else it says is still of use.
    """
    try:
        shared = share_library(html, "../" * page.count("/"))
    except DamagedLibrary as problem:
        _log.warning("%s is damaged: %s; it is copied as it is", page, problem)
        shared = None
    write_bytes(site / page, html if shared is None else shared.html)
    if shared is not None and not (site / shared.name).exists():
        write_bytes(site / shared.name, shared.script)


def _copied(workspace: Workspace, found: Calendar, site: Path) -> Iterator[tuple[dt.date, str]]:
    """Copy the page of every night that has one; yield night and page."""
    failed = failures(workspace, found.source)
    for night in found.nights:
        day, report = night.as_of.isoformat(), workspace.night(found.source, night.as_of) / REPORT
        if night.outcome == "failed":
            html = page_html(_failure_page(found, night.as_of, failed[night.as_of]))
            _write(site, f"{found.source}/{day}/{FAILURE}", html.encode())
            yield night.as_of, f"{day}/{FAILURE}"
        elif report.is_file():
            _write(site, f"{found.source}/{day}/{REPORT}", report.read_bytes())
            yield night.as_of, f"{day}/{REPORT}"


def _source_page(
    workspace: Workspace, title: str, found: Calendar, status: RegistryStatus, pages: Mapping[dt.date, str]
) -> Page:
    shown = {night.as_of for night in found.nights}
    headlines = [headline for headline in read_headlines(workspace, found.source) if headline.as_of in shown]
    operations = {}
    for night in shown:
        try:
            went = read_optional(workspace.night(found.source, night) / OPERATIONS, Operations, "publish")
        except ContractError:  # archived by another version: its page is there, its times are not
            continue
        if went is not None:
            operations[night] = went
    return Page(
        title=f"{title}: nights of {found.source}",
        subtitle=f"{found.nights[0].as_of} to {found.nights[-1].as_of}",
        top=_top(found, status),
        sections=(trends(headlines, operations), *_proposed(workspace, found.source), _calendar_section(found, pages)),
    )


def _proposed(workspace: Workspace, source: str) -> Iterator[Section]:
    """Yield what reviews propose and nobody has merged; nothing, where nothing is open."""
    params = read_yaml(workspace.params).value if workspace.params.is_file() else {}
    blocks: list[PageBlock] = []
    for folder, proposal in open_proposals(workspace.proposals(source), params):
        blocks += [
            Text(f"{proposal.name}, night {proposal.as_of}: {'; '.join(proposal.says)}."),
            Commands(tuple((folder / DIFF).read_text(encoding="utf-8").splitlines())),
            Commands((f"dwell proposals --source {source} --merge {proposal.name}",)),
        ]
    if blocks:
        yield Section("proposals", "Proposed by weekly reviews", tuple(blocks))


def _top(found: Calendar, status: RegistryStatus) -> Top:
    last = found.nights[-1]
    holes = found.holes
    serves = (
        "Nothing serves"
        if status.entry is None
        else f"{status.entry.recipe} serves, fitted by night {status.entry.as_of}"
    )
    facts = [Fact("Nights decided", str(len(found.nights) - len(holes)), f"of {len(found.nights)}")]
    if status.entry is not None:
        facts.append(Fact("Age of the champion", f"{status.age} days", f"since night {status.since}"))
    return Top(
        verdict=last.outcome,
        tone="bad" if last.is_hole else "warn" if holes else "good",
        headline=f"{serves}. Night {last.as_of}: {last.reason or last.outcome}",
        reasons=(),
        facts=tuple(facts),
        attention=tuple(f"night {night}" for night in holes) + tuple(f"to fill: {remedy}" for remedy in found.remedies),
    )


def _calendar_section(found: Calendar, pages: Mapping[dt.date, str]) -> Section:
    heads = (TableHead("Night"), TableHead("Outcome"), TableHead("Why"))
    rows = tuple(_row(night, pages.get(night.as_of, "")) for night in reversed(found.nights))
    blocks: list[PageBlock] = [PageTable("Every night, the last one first.", heads, rows)]
    if found.remedies:
        blocks += [Text("Commands that fill the holes:"), Commands(found.remedies)]
    return Section("calendar", "Calendar", tuple(blocks))


def _row(night: CalendarNight, page: str) -> TableRow:
    outcome = Cell(night.outcome, tone=_TONES.get(night.outcome, "plain"))
    return TableRow((Cell(str(night.as_of), link=page), outcome, Cell(night.reason, detail="; ".join(night.remarks))))


def _failure_page(found: Calendar, night: dt.date, failure: Failure) -> Page:
    blocks: list[PageBlock] = []
    if failure.log:
        blocks += [Text("The last lines of the stage that failed:"), Commands(failure.log)]
    again = f"dwell nightly --as-of {night} --source {found.source}"
    blocks += [Text("Once that is mended:"), Commands((again,))]
    return Page(
        title=f"{found.source}: night {night}",
        subtitle=f"Failed at {failure.at}",
        top=Top("failed", "bad", failure.reason, failure.problems[1:], (), ()),
        sections=(Section("log", "Log", tuple(blocks)),),
    )


def _first_page(title: str, sources: Mapping[str, Calendar], status: Mapping[str, RegistryStatus]) -> Page:
    rows = []
    for name, found in sources.items():
        last, entry = found.nights[-1], status[name].entry
        rows.append(
            TableRow(
                (
                    Cell(name, link=f"{name}/{INDEX}"),
                    Cell(str(last.as_of)),
                    Cell(last.outcome, detail=last.reason, tone=_TONES.get(last.outcome, "plain")),
                    Cell(
                        "nothing" if entry is None else entry.recipe,
                        detail="" if entry is None else f"of night {entry.as_of}",
                    ),
                    Cell(str(len(found.holes)), numeric=True),
                )
            )
        )
    heads = (
        TableHead("Source"),
        TableHead("Last night"),
        TableHead("Outcome"),
        TableHead("Serves"),
        TableHead("Holes", numeric=True),
    )
    failed = _failed(sources)
    headline = (
        f"The last night of {', '.join(failed)} came to no decision"
        if failed
        else "Every last night came to a decision"
    )
    return Page(
        title=title,
        subtitle=f"Nights of {len(sources)} source{'s' if len(sources) > 1 else ''}",
        top=Top("look" if failed else "quiet", "bad" if failed else "good", headline, (), (), ()),
        sections=(Section("sources", "Sources", (PageTable("One line per source.", heads, tuple(rows)),)),),
    )


def _failed(sources: Mapping[str, Calendar]) -> Sequence[str]:
    return [name for name, found in sources.items() if found.nights[-1].is_hole]
