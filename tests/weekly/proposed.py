"""A proposal as a review leaves it."""

import datetime as dt

from tasks.core.layout import Workspace
from tasks.core.yaml_edit import Entry
from tasks.weekly.proposal import Finding, Proposal, wanted, write_proposal


def propose(workspace: Workspace, source: str, as_of: dt.date) -> None:
    """Propose twice the fit days of a params.yaml that has two."""
    workspace.params.write_text("window:\n  fit_days: 2\n", encoding="utf-8")
    finding = Finding(
        ("more days pay", "it would pay: window.fit_days 4"), "days,loss\n", (Entry(("window", "fit_days"), 4),)
    )
    proposal = Proposal(
        name="more_days", kind="scaling", source=source, as_of=as_of, says=finding.says, entries=wanted(finding.entries)
    )
    text = workspace.params.read_text(encoding="utf-8")
    write_proposal(workspace.proposal(source, as_of, proposal.name), text, proposal, finding)
