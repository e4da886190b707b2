"""Put the page together: read the night, turn each artifact into view values, render one HTML file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.files import write_text
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.evaluate.change import decompose
from tasks.evaluate.leaderboard import LeaderboardLine, leaderboard
from tasks.report.config import ReportConfig
from tasks.report.html import page_html
from tasks.report.inputs import Artifacts
from tasks.report.operations import Operations
from tasks.report.sections.by_segment import by_segment
from tasks.report.sections.calibration import calibration
from tasks.report.sections.candidates import candidates
from tasks.report.sections.challengers import challengers
from tasks.report.sections.changed import NightChange, changed
from tasks.report.sections.data import drift, volume
from tasks.report.sections.debiased import debiased
from tasks.report.sections.expectations import expectations
from tasks.report.sections.exposure import exposure
from tasks.report.sections.fields import fields
from tasks.report.sections.forecast import forecast
from tasks.report.sections.fusion import fusion
from tasks.report.sections.glossary import glossary
from tasks.report.sections.leaders import leaders
from tasks.report.sections.lineage import lineage
from tasks.report.sections.propensity import propensity
from tasks.report.sections.scores import Lists, scores
from tasks.report.sections.served_value import served_value
from tasks.report.sections.stored_tables import stored_tables
from tasks.report.sections.summary import top
from tasks.report.sections.timings import timings
from tasks.report.sections.trade_off import trade_off
from tasks.report.sections.training import training
from tasks.report.top_k import read_lists
from tasks.report.view import Page, Section

if TYPE_CHECKING:
    from tasks.gate.decision import Decision


def render(
    workspace: Workspace,
    config: ReportConfig,
    key: RunKey,
    out_file: Path,
    operations: Operations | None = None,
    decision: "Decision | None" = None,
) -> Path:
    """Write the page; `tasks.report.render_report` says what it promises."""
    artifacts = Artifacts.read(workspace, decision)
    lists = read_lists(artifacts.top_k, config) if artifacts.top_k is not None else None
    page = compose(artifacts, leaders_of(artifacts), lists, config, key, operations, change_of(artifacts))
    return write_text(out_file, page_html(page))


def leaders_of(artifacts: Artifacts) -> Sequence[LeaderboardLine]:
    """Return the leaderboard's lines, differences taken to the model the page is about."""
    folders = {model.name: model.folder for model in artifacts.models}
    return leaderboard(folders, artifacts.focus.name, artifacts.focus.metrics.config)


def change_of(artifacts: Artifacts) -> NightChange | None:
    """Return what changed since the last night; None where that is not at hand."""
    chain = artifacts.chain
    return None if chain is None else NightChange(chain, decompose(chain, artifacts.focus.metrics.config))


def compose(
    artifacts: Artifacts,
    lines: Sequence[LeaderboardLine],
    lists: Lists | None,
    config: ReportConfig,
    key: RunKey,
    operations: Operations | None = None,
    change: NightChange | None = None,
) -> Page:
    """Return the page as values.

    Args:
        artifacts: what the stages left.
        lines: of the leaderboard.
        lists: head of tomorrow's lists; None where nothing serves.
        config: what is shown.
        key: the night.
        operations: what ran, for the archive.
        change: since the last night, where it is known.
    """
    return Page(
        title=f"{config.title}: night {key.as_of.isoformat()}",
        subtitle=f"Source {key.source}, judged on {', '.join(artifacts.focus.metrics.days)}, serving {artifacts.scores.day}",
        top=top(artifacts, lists),
        sections=_sections(artifacts, lines, lists, config, key, operations, change),
    )


def _sections(
    artifacts: Artifacts,
    lines: Sequence[LeaderboardLine],
    lists: Lists | None,
    config: ReportConfig,
    key: RunKey,
    operations: Operations | None,
    change: NightChange | None,
) -> tuple[Section, ...]:
    return (
        challengers(artifacts),
        *changed(change),
        leaders(artifacts, lines),
        exposure(artifacts),
        by_segment(artifacts, config),
        calibration(artifacts),
        *served_value(artifacts),
        *debiased(artifacts),
        *trade_off(artifacts),
        training(artifacts),
        *stored_tables(artifacts),
        *fields(artifacts),
        propensity(artifacts),
        volume(artifacts.validation),
        drift(artifacts.validation),
        expectations(artifacts.validation),
        *candidates(artifacts),
        *fusion(artifacts),
        forecast(artifacts.forecast),
        scores(artifacts.scores, lists),
        timings(operations),
        lineage(artifacts, key),
        glossary(),
    )
