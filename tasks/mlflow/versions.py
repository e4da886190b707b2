"""What model versions and aliases in MLflow say of a registry."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.core.files import hash_value
from tasks.core.layout import Workspace
from tasks.core.yaml_file import read_yaml
from tasks.gate.decision import load_decision
from tasks.registry.entry import BUNDLE, ENTRIES, read_manifest
from tasks.registry.ledger import Event
from tasks.registry.replay import current, succession

IDENTITY = "dwell.id"
"""Tag by which a model version is found."""
CHAMPION, CHALLENGER = "champion", "challenger"


@dataclass(frozen=True)
class ModelVersion:
    """A model version; equal ones have equal identities.

    Attributes:
        identity: id of the registry entry, or night/model of a challenger that was not promoted.
        night: that made it.
        description: for a person.
        tags: where it comes from.
    """

    identity: str
    night: dt.date
    description: str
    tags: Mapping[str, str]


def entries(workspace: Workspace, source: str, events: Sequence[Event]) -> Iterator[ModelVersion]:
    """Yield the entries of a registry in the order in which they became champion.

    Args:
        workspace: where the registry is.
        source: whose it is.
        events: of its ledger.

    Raises:
        RegistryError: if an entry is missing or damaged.
    """
    for identity in dict.fromkeys(event.entry for event in events if event.entry is not None):
        entry = read_manifest(workspace.registry(source) / ENTRIES / identity, identity)
        bundle = {name: digest for name, digest in entry.files.items() if name.startswith(f"{BUNDLE}/")}
        tags = {
            "dwell.entry": identity,
            "dwell.bundle": hash_value(bundle),
            "dwell.night": entry.as_of.isoformat(),
            "dwell.recipe": entry.recipe,
            "dwell.recipe_hash": entry.recipe_hash,
            "dwell.kind": entry.kind,
            "dwell.decision_id": entry.decision,
            **{f"dwell.{name}": digest for name, digest in entry.provenance.model_dump().items()},
            **({"dwell.forced_reason": entry.forced_reason} if entry.forced_reason else {}),
        }
        said = f'{entry.recipe} of night {entry.as_of}, promoted: dwell.load("{identity}") loads it where dwell runs'
        yield ModelVersion(identity, entry.as_of, said, tags)


def challenger(workspace: Workspace, source: str, as_of: dt.date) -> ModelVersion | None:
    """Return the challenger of a night that came next: not promoted, best on the validation days, as the gate orders them.

    Args:
        workspace: where the night is archived.
        source: its source.
        as_of: it.

    Returns:
        None if the night promoted the only one.

    Raises:
        ContractError: if another version archived the night.
        ConfigError: if its lock file cannot be read.
    """
    archive = workspace.night(source, as_of)
    decision = load_decision(archive)
    others = [verdict for verdict in decision.challengers if verdict.name != decision.winner]
    if not others:
        return None
    best = max(others, key=lambda verdict: verdict.validation_xauc or 0.0)
    digest = _locked(workspace, source, as_of, best.name)
    tags = {
        "dwell.night": as_of.isoformat(),
        "dwell.recipe": best.name,
        "dwell.recipe_hash": best.recipe_hash,
        "dwell.kind": "challenger",
        "dwell.reason": best.reason[:5000],
        **({"dwell.bundle_md5": digest} if digest else {}),
    }
    said = f"{best.name} of night {as_of}, judged and not promoted"
    return ModelVersion("/".join(filter(None, (as_of.isoformat(), best.name, digest))), as_of, said, tags)


def champion(events: Sequence[Event]) -> str | None:
    """Return the registry entry that serves after everything recorded; None: nothing does."""
    return current(succession(events))


def _locked(workspace: Workspace, source: str, as_of: dt.date, model: str) -> str | None:
    """Return the MD5 that DVC has of a model's bundle; None where the archive holds no lock file of it."""
    lock = workspace.night(source, as_of) / "dvc.lock"
    stages = read_yaml(lock).value.get("stages") if lock.is_file() else None
    paths = {
        path.relative_to(workspace.root).as_posix() for path in (workspace.bundle(model), workspace.ensemble(model))
    }
    outs = [out for stage in (stages or {}).values() for out in stage.get("outs", ()) if out["path"] in paths]
    return str(outs[-1]["md5"]).removesuffix(".dir") if outs else None
