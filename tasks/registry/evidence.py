"""The judge-day prediction tables of one night, kept so that an upgrade can be judged over several nights."""

import datetime as dt
import shutil
from collections.abc import Mapping
from pathlib import Path

from tasks.core.errors import RegistryError
from tasks.core.files import read_json, write_json
from tasks.core.settings import Block
from tasks.gate.decision import Decision
from tasks.gate.inputs import Contender, JudgeDay
from tasks.registry.content import admit, check, listing

EVIDENCE = "evidence"
MANIFEST = "evidence.json"


class Judged(Block):
    """One prediction table."""

    name: str
    recipe_hash: str
    table: str
    """file name"""
    entry: str | None = None
    """registry entry; champions only"""


class Evidence(Block):
    """`evidence.json`."""

    as_of: dt.date
    expectations_passed: bool
    challengers: tuple[Judged, ...]
    champion: Judged | None
    files: dict[str, str]
    """prediction tables -> SHA-256"""


def add_evidence(registry: Path, decision: Decision, challengers: Mapping[str, Path], champion: Path | None) -> str:
    """Copy a night's judge tables into the registry and return their id. The caller holds the lock.

    Args:
        registry: the registry of one source.
        decision: the night's decision, which names the challengers.
        challengers: name -> judge table.
        champion: the champion's judge table.

    Raises:
        RegistryError: if a table is missing.
    """
    judged = tuple(
        Judged(name=verdict.name, recipe_hash=verdict.recipe_hash, table=f"challenger-{verdict.name}.parquet")
        for verdict in decision.challengers
    )
    tables = {item.table: challengers.get(item.name) for item in judged}
    standing = None
    if decision.champion is not None and decision.champion_recipe_hash is not None:
        standing = Judged(
            name="champion",
            recipe_hash=decision.champion_recipe_hash,
            table="champion.parquet",
            entry=decision.champion,
        )
        tables[standing.table] = champion

    def fill(folder: Path) -> None:
        for name, table in tables.items():
            if table is None or not table.is_file():
                raise RegistryError(f"night {decision.as_of}: no judge table for {name} ({table}): run evaluate first")
            shutil.copyfile(table, folder / name)
        evidence = Evidence(
            as_of=decision.as_of,
            expectations_passed=decision.expectations_passed,
            challengers=judged,
            champion=standing,
            files=listing(folder),
        )
        write_json(folder / MANIFEST, evidence.model_dump(mode="json"))

    return admit(registry / EVIDENCE, fill, prefix=f"{decision.as_of.isoformat()}-")


def read_evidence(folder: Path, identity: str) -> JudgeDay:
    """Read and check one night's evidence, in the registry or copied out of it.

    Raises:
        RegistryError: if it does not exist or is damaged; the message names the file.
    """
    if not folder.is_dir():
        raise RegistryError(
            f"the registry holds no evidence {identity} ({folder} does not exist; `dwell clean` removes that of old nights): "
            "restore it from a backup, or run that night again first"
        )
    try:
        evidence = Evidence.model_validate(read_json(folder / MANIFEST))
    except (OSError, ValueError) as error:
        raise RegistryError(f"evidence {folder} is damaged: {MANIFEST} cannot be read ({error})") from error
    check(folder, identity, evidence.files, MANIFEST)
    challengers = tuple(_contender(folder, item) for item in evidence.challengers)
    champion = _contender(folder, evidence.champion) if evidence.champion else None
    return JudgeDay(evidence.as_of, challengers, champion, evidence.expectations_passed, identity)


def _contender(folder: Path, judged: Judged) -> Contender:
    return Contender(judged.name, judged.recipe_hash, folder / judged.table, entry=judged.entry)
