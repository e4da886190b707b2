"""A registry entry: a promoted bundle with all that says where it came from and why it serves."""

import datetime as dt
from pathlib import Path
from typing import Any

from tasks.core.errors import RegistryError
from tasks.core.files import read_json, write_json
from tasks.core.settings import Block
from tasks.gate.decision import Decision, Kind, write_decision
from tasks.registry.content import admit, check, copy_files, listing

ENTRIES = "entries"
BUNDLE = "bundle"
MANIFEST = "entry.json"


class Provenance(Block):
    """Content hashes of what a night's models were made from."""

    data: str
    """of the data read"""
    code: str
    """of the code that ran"""
    config: str
    """of the configuration"""


class Entry(Block):
    """`entry.json`."""

    source: str
    recipe: str
    recipe_hash: str
    as_of: dt.date
    """night that made it"""
    kind: Kind
    """first, refresh, upgrade or forced"""
    forced_reason: str | None
    """why a person overruled the gate; part of the entry's content, so it cannot be taken off"""
    decision: str
    """id of the decision, which lies beside as decision.json"""
    provenance: Provenance
    metrics: dict[str, Any]
    files: dict[str, str]
    """every other file of the entry -> SHA-256"""


def add_entry(
    registry: Path,
    source: str,
    decision: Decision,
    bundle: Path,
    provenance: Provenance,
    metrics: dict[str, Any],
) -> str:
    """Copy a winner's bundle into the registry and return the entry's id. The caller holds the lock."""
    assert decision.winner is not None
    assert decision.winner_recipe_hash is not None
    assert decision.kind is not None
    recipe, recipe_hash, kind = decision.winner, decision.winner_recipe_hash, decision.kind

    def fill(folder: Path) -> None:
        copy_files(bundle, folder / BUNDLE)
        write_decision(folder, decision)
        entry = Entry(
            source=source,
            recipe=recipe,
            recipe_hash=recipe_hash,
            as_of=decision.as_of,
            kind=kind,
            forced_reason=decision.forced_reason,
            decision=decision.id,
            provenance=provenance,
            metrics=metrics,
            files=listing(folder),
        )
        write_json(folder / MANIFEST, entry.model_dump(mode="json"))

    return admit(registry / ENTRIES, fill)


def read_entry(folder: Path, identity: str) -> Entry:
    """Read and check an entry, in the registry or copied out of it.

    Raises:
        RegistryError: if it does not exist or is damaged, the message names the file; or if its model went with old nights.
    """
    entry = read_manifest(folder, identity)
    if is_without_model(folder):
        raise RegistryError(
            f"the model of registry entry {identity} ({entry.recipe} of night {entry.as_of}) went with old nights "
            "(nightly.keep_nights): what it was and why it served stays; bring it back with `dwell pull`, or from a backup"
        )
    check(folder, identity, entry.files, MANIFEST)
    return entry


def is_without_model(folder: Path) -> bool:
    """Whether the model of an entry went with old nights; what says what it was is still there."""
    return not (folder / BUNDLE).exists()


def read_manifest(folder: Path, identity: str) -> Entry:
    """Read an entry's manifest without checking the files beside it.

    Raises:
        RegistryError: if it does not exist or cannot be read.
    """
    if not folder.is_dir():
        raise RegistryError(f"the registry holds no entry {identity} ({folder} does not exist): see `dwell status`")
    try:
        return Entry.model_validate(read_json(folder / MANIFEST))
    except (OSError, ValueError) as error:
        raise RegistryError(f"registry entry {folder} is damaged: {MANIFEST} cannot be read ({error})") from error
