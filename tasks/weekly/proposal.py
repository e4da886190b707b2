"""What a review found: in words, with its evidence, and as the exact change of params.yaml that a person may merge.

Nothing here changes params.yaml or a registry. A proposal is open until the file holds what it would change, its folder is
removed, or a later night's review of the same name takes its place.
"""

import datetime as dt
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.core.document import Document, read_document
from tasks.core.files import write_text, writing
from tasks.core.yaml_edit import Entry, one_line_each, with_entries

FILE, EVIDENCE, DIFF = "proposal.json", "evidence.csv", "params.diff"


@dataclass(frozen=True)
class Finding:
    """What one review found.

    Attributes:
        says: in words, the headline first.
        evidence: the numbers behind it, as CSV.
        entries: of params.yaml that would change; none: there is nothing to propose.
        files: further files that lie beside the evidence, by name.
    """

    says: tuple[str, ...]
    evidence: str
    entries: tuple[Entry, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


class WantedEntry(Document):
    """One entry of params.yaml that a proposal would change."""

    path: tuple[str, ...]
    """Its keys; not named so, as `dict()` would call a field of that name."""
    value: Any
    """None: the entry would go."""

    def is_in(self, document: Any) -> bool:
        """Tell whether params.yaml has it; of a list, whether its members are there, beside others or not."""
        return bool(self._of(document) == self.beside(document))

    def beside(self, document: Any) -> Any:
        """Return what would stand in params.yaml; of a list, its members behind those that are there by now."""
        there = self._of(document)
        if not (isinstance(self.value, list) and isinstance(there, list)):
            return self.value
        return [*there, *(member for member in self.value if member not in there)]

    def _of(self, document: Any) -> Any:
        for key in self.path:
            document = document.get(key) if isinstance(document, Mapping) else None
        return document


class Proposal(Document):
    """`proposal.json`: one review of one night, whether it proposes a change or not."""

    name: str
    kind: str
    source: str
    as_of: dt.date
    """Night whose features and table were looked at."""
    says: tuple[str, ...]
    entries: tuple[WantedEntry, ...]
    """What would change; none: nothing."""

    def is_open(self, document: Any) -> bool:
        """Tell whether it would change a parsed params.yaml."""
        return not all(entry.is_in(document) for entry in self.entries)

    def merged_into(self, text: str, document: Any) -> str:
        """Return params.yaml with the change, whatever else was changed since it was proposed.

        Args:
            text: the file as it is now.
            document: the same, parsed.
        """
        return with_entries(text, [Entry(entry.path, _in_lines(entry, document)) for entry in self.entries])


def write_proposal(folder: Path, text: str, proposal: Proposal, finding: Finding) -> None:
    """Write what a review found, in the place of what an earlier run of the same review found.

    Args:
        folder: of this review and night; replaced as a whole.
        text: params.yaml as it is.
        proposal: what is to be said.
        finding: evidence and change.
    """
    with writing(folder) as temporary:
        proposal.write(temporary / FILE)
        for name, content in {EVIDENCE: finding.evidence, **finding.files}.items():
            write_text(temporary / name, content)
        if finding.entries:
            write_text(temporary / DIFF, difference(text, with_entries(text, finding.entries)))


def difference(before: str, after: str) -> str:
    """Return the change of params.yaml as `git apply` takes it."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return "".join(difflib.unified_diff(old, new, "a/params.yaml", "b/params.yaml"))


def _in_lines(entry: WantedEntry, document: Any) -> Any:
    """Return a value as it is spelled: a recipe has a line for every part."""
    value = entry.beside(document)
    return one_line_each(value) if entry.path[0] == "recipes" else value


def wanted(entries: Sequence[Entry]) -> tuple[WantedEntry, ...]:
    """Return entries as the file names them."""
    return tuple(WantedEntry(path=entry.keys, value=json.loads(json.dumps(entry.value))) for entry in entries)


def open_proposals(folder: Path, document: Any) -> list[tuple[Path, Proposal]]:
    """Return the open proposals of a source with their folders: of every review the newest, by name.

    Args:
        folder: of the source.
        document: params.yaml, parsed.

    Raises:
        ContractError: if one cannot be read.
    """
    newest = {path.parent.name: path for path in sorted(folder.glob(f"*/*/{FILE}"))}
    found = (
        (newest[name].parent, read_document(newest[name], Proposal, "of `dwell weekly`")) for name in sorted(newest)
    )
    return [(path, proposal) for path, proposal in found if proposal.is_open(document)]
