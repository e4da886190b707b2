"""The stage `champion`: copy the pinned champion and evidence into the workspace, checked byte for byte."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import RegistryError
from tasks.core.files import read_json, write_json, writing
from tasks.gate.inputs import Contender, JudgeDay
from tasks.registry.content import copy_files
from tasks.registry.entry import BUNDLE, ENTRIES, Entry, read_entry
from tasks.registry.evidence import EVIDENCE, read_evidence
from tasks.registry.ledger import NO_CHAMPION

CHAMPION_FILE = "champion.json"
_ENTRY = "entry"


@dataclass(frozen=True)
class Checkout:
    """The champion and the evidence as they lie in the workspace.

    Attributes:
        champion: registry entry; None on the first night.
        entry: its manifest.
        bundle: its model bundle.
        evidence: earlier judge days, oldest first.
    """

    champion: str | None
    entry: Entry | None
    bundle: Path | None
    evidence: tuple[JudgeDay, ...]

    def contender(self, predictions: Path) -> Contender | None:
        """Return the champion with its judge table of this night; None on the first night."""
        if self.entry is None:
            return None
        return Contender(self.entry.recipe, self.entry.recipe_hash, predictions, entry=self.champion)


@dataclass(frozen=True)
class CheckoutResult:
    """What the stage made."""

    champion: str | None
    recipe: str | None
    evidence: tuple[str, ...]


def checkout_champion(registry: Path, champion: str | None, evidence: Sequence[str], out: Path) -> CheckoutResult:
    """Stage entry: copy what the run key pins. A pure function of the pinned content hashes.

    Args:
        registry: the registry of one source; need not exist on the first night.
        champion: entry id; None or "none" on the first night.
        evidence: ids of earlier nights' judge tables.
        out: folder to write; replaced as a whole.

    Raises:
        RegistryError: if something pinned is missing or damaged; the message names the file.
    """
    pinned = None if champion == NO_CHAMPION else champion
    for identity in (*([pinned] if pinned else []), *evidence):
        if Path(identity).name != identity:
            raise RegistryError(f"{identity!r} is no registry id; `dwell prepare` writes the right ones into run.yaml")
    with writing(out) as folder:
        folder.mkdir(parents=True)
        entry = None
        if pinned is not None:
            entry = read_entry(registry / ENTRIES / pinned, pinned)
            copy_files(registry / ENTRIES / pinned, folder / _ENTRY)
        for identity in evidence:
            read_evidence(registry / EVIDENCE / identity, identity)
            copy_files(registry / EVIDENCE / identity, folder / EVIDENCE / identity)
        write_json(folder / CHAMPION_FILE, {"champion": pinned, "evidence": list(evidence)})
    return CheckoutResult(pinned, entry.recipe if entry else None, tuple(evidence))


def read_checkout(folder: Path) -> Checkout:
    """Read what the stage `champion` wrote.

    Raises:
        RegistryError: if it is missing or damaged.
    """
    path = folder / CHAMPION_FILE
    if not path.exists():
        raise RegistryError(f"{path} does not exist: run the stage champion first")
    pinned = read_json(path)
    evidence = tuple(read_evidence(folder / EVIDENCE / identity, identity) for identity in pinned["evidence"])
    champion = pinned["champion"]
    if champion is None:
        return Checkout(None, None, None, evidence)
    entry = read_entry(folder / _ENTRY, champion)
    return Checkout(champion, entry, folder / _ENTRY / BUNDLE, evidence)
