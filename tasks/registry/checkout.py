"""The stage `champion`: copy the pinned champion and evidence into the workspace, checked byte for byte."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.attribution.document import LAST_FILE, LastRanks
from tasks.core.document import read_document
from tasks.core.errors import RegistryError
from tasks.core.files import read_json, write_json, writing
from tasks.gate.config import GatePolicy
from tasks.gate.evidence import Reign
from tasks.gate.inputs import Contender, JudgeDay
from tasks.registry.content import copy_files
from tasks.registry.entry import BUNDLE, ENTRIES, Entry, read_entry
from tasks.registry.evidence import EVIDENCE, read_evidence
from tasks.registry.field_ranks import field_ranks_at
from tasks.registry.forecast import NightForecast
from tasks.registry.forecasts import forecasts_at
from tasks.registry.ledger import NO_CHAMPION
from tasks.registry.reign import NO_LEDGER, pinned_events, reign_at

CHAMPION_FILE = "champion.json"
REIGN_FILE = "reign.json"
FORECASTS_FILE = "forecasts.json"
_ENTRY = "entry"
_ANCHOR = "anchor"


@dataclass(frozen=True)
class PinnedLedger:
    """What of the ledger a night may read, and how it reads the reign.

    Attributes:
        as_of: the night that is about to be decided.
        ledger: name of the events that it may read (`ledger_for`), or "none".
        policy: how many nights are compared with baselines together, and when the anchor moves.
    """

    as_of: dt.date
    ledger: str
    policy: GatePolicy


@dataclass(frozen=True)
class Checkout:
    """The champion and the evidence as they lie in the workspace.

    Attributes:
        champion: registry entry; None on the first night.
        entry: its manifest.
        bundle: its model bundle.
        evidence: earlier judge days, oldest first.
        reign: what the ledger says of the champion's reign.
        anchor: model bundle of the entry that began it; None where that is the champion.
        forecasts: records of the last nights, oldest first.
    """

    champion: str | None
    entry: Entry | None
    bundle: Path | None
    evidence: tuple[JudgeDay, ...]
    reign: Reign
    anchor: Path | None
    forecasts: tuple[NightForecast, ...]

    def contender(self, predictions: Path) -> Contender | None:
        """Return the champion with its judge table of this night; None on the first night."""
        if self.entry is None:
            return None
        made = self.entry.as_of
        return Contender(self.entry.recipe, self.entry.recipe_hash, predictions, entry=self.champion, made=made)


@dataclass(frozen=True)
class CheckoutResult:
    """What the stage made."""

    champion: str | None
    recipe: str | None
    evidence: tuple[str, ...]


def checkout_champion(
    registry: Path, champion: str | None, evidence: Sequence[str], out: Path, pinned: PinnedLedger | None = None
) -> CheckoutResult:
    """Stage entry: copy what the run key pins. A pure function of the pinned content hashes.

    Args:
        registry: the registry of one source; need not exist on the first night.
        champion: entry id; None or "none" on the first night.
        evidence: ids of earlier nights' judge tables.
        out: folder to write; replaced as a whole.
        pinned: night, and what of the ledger it may read; None: it reads none.

    Raises:
        RegistryError: if something pinned is missing or damaged; the message names the file.
    """
    standing = None if champion == NO_CHAMPION else champion
    for identity in (*([standing] if standing else []), *evidence):
        if Path(identity).name != identity:
            raise RegistryError(f"{identity!r} is no registry id; `dwell prepare` writes the right ones into run.yaml")
    reign, forecasts, ledger = Reign(), tuple[NightForecast, ...](), NO_LEDGER
    last_ranks: LastRanks | None = None
    if pinned is not None:
        ledger, known = pinned.ledger, pinned_events(registry, pinned.ledger)
        reign = reign_at(registry, known, pinned.as_of, pinned.policy)
        forecasts = forecasts_at(known, pinned.as_of)
        last_ranks = field_ranks_at(known, pinned.as_of)
    anchor = None if reign.anchor == standing else reign.anchor
    with writing(out) as folder:
        folder.mkdir(parents=True)
        entry = None
        if standing is not None:
            entry = read_entry(registry / ENTRIES / standing, standing)
            copy_files(registry / ENTRIES / standing, folder / _ENTRY)
        if anchor is not None:
            read_entry(registry / ENTRIES / anchor, anchor)
            copy_files(registry / ENTRIES / anchor, folder / _ANCHOR)
        for identity in evidence:
            read_evidence(registry / EVIDENCE / identity, identity)
            copy_files(registry / EVIDENCE / identity, folder / EVIDENCE / identity)
        write_json(folder / CHAMPION_FILE, {"champion": standing, "evidence": list(evidence), "ledger": ledger})
        reign.write(folder / REIGN_FILE)
        write_json(folder / FORECASTS_FILE, [record.as_json() for record in forecasts])
        if last_ranks is not None:
            last_ranks.write(folder / LAST_FILE)
    return CheckoutResult(standing, entry.recipe if entry else None, tuple(evidence))


def last_judged(folder: Path) -> JudgeDay | None:
    """Return the last earlier judge day that the stage `champion` checked out; None where it checked out none.

    Raises:
        RegistryError: if something is missing or damaged.
    """
    evidence = max(_pinned(folder)["evidence"], default=None)  # ids begin with the night
    return None if evidence is None else read_evidence(folder / EVIDENCE / evidence, evidence)


def read_checkout(folder: Path) -> Checkout:
    """Read what the stage `champion` wrote.

    Raises:
        RegistryError: if it is missing or damaged.
    """
    pinned = _pinned(folder)
    evidence = tuple(read_evidence(folder / EVIDENCE / identity, identity) for identity in pinned["evidence"])
    champion, reign = pinned["champion"], read_document(folder / REIGN_FILE, Reign, "champion")
    forecasts = read_document(folder / FORECASTS_FILE, tuple[NightForecast, ...], "champion")
    if champion is None:
        return Checkout(None, None, None, evidence, reign, None, forecasts)
    entry = read_entry(folder / _ENTRY, champion)
    anchor = folder / _ANCHOR / BUNDLE if reign.anchor not in (None, champion) else None
    return Checkout(champion, entry, folder / _ENTRY / BUNDLE, evidence, reign, anchor, forecasts)


def _pinned(folder: Path) -> dict[str, Any]:
    path = folder / CHAMPION_FILE
    if not path.exists():
        raise RegistryError(f"{path} does not exist: run the stage champion first")
    pinned: dict[str, Any] = read_json(path)
    return pinned
