"""The morning report: one self-contained HTML page per night, for a person who has not slept with the pipeline."""

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.document import existing
from tasks.core.errors import ContractError
from tasks.core.files import write_text
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.report.config import ReportConfig
from tasks.report.operations import Operations

if TYPE_CHECKING:
    from tasks.gate.decision import Decision

FILE = "report.html"
__all__ = ["Operations", "archive_report", "render_report"]


def render_report(
    workspace: Workspace,
    config: ReportConfig,
    key: RunKey,
    out_file: Path,
    operations: Operations | None = None,
    decision: "Decision | None" = None,
) -> Path:
    """Write the page of one night.

    Args:
        workspace: where the stages have run.
        config: what the page shows.
        key: the night.
        out_file: file to write.
        operations: what ran and how long it took, for the archive. Without them the page is a pure function of the
            night's artifacts: equal inputs give equal bytes.
        decision: the night's, where a person overruled the gate; None: the gate's.

    Returns:
        `out_file`.

    Raises:
        MissingArtifact: if a stage that the page depends on has not run; the message names it.
        ContractError: if there is no decision, or a file is not what its stage writes today.
        StorageError: if the page cannot be written.
    """
    from tasks.report.page import render  # drawing libraries are loaded only where a page is made

    return render(workspace, config, key, out_file, operations, decision)


def archive_report(workspace: Workspace, operations: Operations, out_file: Path) -> Path:
    """Write the page that the stage has made, with the timings of its night in it.

    Args:
        workspace: where the stages have run.
        operations: what ran and how long it took.
        out_file: file to write.

    Returns:
        `out_file`.

    Raises:
        MissingArtifact: if the stage has not run.
        ContractError: if its page is not what it writes today.
        StorageError: if the page cannot be written.
    """
    from tasks.report.html import section_html
    from tasks.report.sections.timings import timings

    page = existing(workspace.report / FILE, "report")
    before, found, after = page.read_text(encoding="utf-8").partition(section_html(timings(None)))
    if not found:
        raise ContractError(f"{page}: other code made it: run the stage report again")
    return write_text(out_file, before + section_html(timings(operations)) + after)
