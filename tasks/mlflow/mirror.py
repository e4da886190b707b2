"""Bring an MLflow server to what the archive and the registry of a source say; what it says already is not sent again.

Whatever is there is found by its tags: the run of a night by the night and a hash of its numbers, a model version by the id of its
registry entry. Each is made in one request with them, so a mirror that was cut short goes on where it stopped.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.core.errors import ConfigError, ContractError
from tasks.core.layout import NIGHT_FOLDER, Workspace
from tasks.mlflow.night import CONTENT, CURRENT, NIGHT, NightRun, read_night
from tasks.mlflow.server import Server
from tasks.mlflow.versions import CHALLENGER, CHAMPION, IDENTITY, ModelVersion, challenger, champion, entries
from tasks.registry.ledger import read_ledger

Json = dict[str, Any]
_OURS = "dwell."
"""Begins the names of what is made there, and of tags that are taken off when they no longer hold."""
_MOST_METRICS, _MOST_PARAMS, _PAGE = 800, 100, 1000
"""Of one request, as the API allows."""


@dataclass
class Mirrored:
    """What was brought.

    Attributes:
        name: experiment and registered model.
        address: of the server.
        runs: nights that have a new run.
        changed: nights whose run has other tags now.
        versions: ids of new model versions.
        aliases: alias -> the version it was set to; None: it was taken away.
        left_out: nights whose archive cannot be read: another version of dwell wrote it, or it is damaged.
    """

    name: str
    address: str
    runs: list[dt.date] = field(default_factory=list)
    changed: list[dt.date] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    aliases: dict[str, str | None] = field(default_factory=dict)
    left_out: list[dt.date] = field(default_factory=list)

    def __str__(self) -> str:
        moved = ", ".join(f"{alias} {version or 'nothing'}" for alias, version in self.aliases.items())
        unread = ", ".join(map(str, self.left_out))
        parts = [
            f"{len(self.runs)} new runs",
            f"{len(self.changed)} changed",
            f"{len(self.versions)} new model versions",
            f"now {moved}" if moved else "",
            f"left out, since their archive cannot be read: {unread}" if unread else "",
        ]
        return f"{self.name} at {self.address}: {', '.join(filter(None, parts))}"


def mirror(
    workspace: Workspace, source: str, server: Server, site_url: str | None = None, night: dt.date | None = None
) -> Mirrored:
    """Mirror archive and registry of a source; the caller holds the workspace.

    Args:
        workspace: where its nights ran.
        source: its name.
        server: to be brought up to date.
        site_url: where a web server shows the pages of nights; None: nowhere.
        night: the only one whose run is looked at; None: every archived one. Versions and aliases are all looked at.

    Raises:
        ConfigError: if no night is decided, or the server asks for other credentials.
        RegistryError: if the registry was tampered with.
        MachineError: if the server does not answer or refuses something; what came before stands there.
    """
    events = read_ledger(workspace.registry(source))
    if not events:
        raise ConfigError(f"no night of {source} is decided here: `dwell nightly --source {source}` runs the first")
    archived = sorted(
        dt.date.fromisoformat(path.name)
        for path in workspace.night(source, dt.date.min).parent.glob("*")
        if NIGHT_FOLDER.fullmatch(path.name)
    )
    done = Mirrored(f"{_OURS}{source}", server.address)
    runs = _Runs(server, done)
    for as_of in archived if night is None else [night]:
        try:
            found = read_night(workspace, source, as_of, site_url)
        except (ConfigError, ContractError):
            done.left_out.append(as_of)
        else:
            runs.bring(found)
    wanted = list(entries(workspace, source, events))
    second = _second(workspace, source, archived)
    models = _Models(server, done, runs)
    for version in (*wanted, *([second] if second else [])):
        models.bring(version, f"dwell://{source}/{version.identity}")
    models.point(CHAMPION, champion(events))
    models.point(CHALLENGER, second.identity if second else None)
    return done


def _second(workspace: Workspace, source: str, archived: Sequence[dt.date]) -> ModelVersion | None:
    """Return what came next on the last night; None also where this version cannot read what another archived."""
    try:
        return challenger(workspace, source, archived[-1]) if archived else None
    except (ConfigError, ContractError):
        return None


class _Runs:
    """The runs of an experiment."""

    def __init__(self, server: Server, done: Mirrored) -> None:
        self.server, self.done = server, done
        self.counting: dict[dt.date, str | None] = {}
        found = server.find("GET", "experiments/get-by-name", experiment_name=done.name)
        if found is None:
            self.experiment = server.ask("POST", "experiments/create", name=done.name)["experiment_id"]
        elif found["experiment"].get("lifecycle_stage") == "deleted":
            raise ConfigError(
                f"experiment {done.name} at {server.address} was deleted: restore it there, or remove it for good"
            )
        else:
            self.experiment = found["experiment"]["experiment_id"]

    def of(self, as_of: dt.date) -> str | None:
        """Return the id of the run of a night that counts; None: it has none there."""
        if as_of not in self.counting:
            counting = [run for run in self._all(as_of) if _tags(run["data"]).get(CURRENT) == "true"]
            self.counting[as_of] = counting[0]["info"]["run_id"] if counting else None
        return self.counting[as_of]

    def _all(self, as_of: dt.date) -> list[Json]:
        by_night = f"tags.`{NIGHT}` = '{as_of}'"
        given = {"experiment_ids": [self.experiment], "filter": by_night, "max_results": _PAGE}
        return list(self.server.pages("POST", "runs/search", "runs", **given))

    def bring(self, night: NightRun) -> None:
        """Make the run of a night, or set the tags that differ; other runs of it are marked as past."""
        found = self._all(night.as_of)
        same = [run for run in found if _tags(run["data"]).get(CONTENT) == night.content]
        run = same[0] if same else self._made(night)
        identity, before = run["info"]["run_id"], _tags(run["data"])
        self.counting[night.as_of] = identity
        if run["info"]["status"] != "FINISHED":
            self._fill(identity, night)
            self.done.runs.append(night.as_of)
        differing = {name: value for name, value in night.all_tags.items() if before.get(name) != value}
        gone = [name for name in before if name.startswith(_OURS) and name not in night.all_tags]
        if differing:
            self.server.ask("POST", "runs/log-batch", run_id=identity, tags=_pairs(differing))
        for name in gone:
            self.server.ask("POST", "runs/delete-tag", run_id=identity, key=name)
        past = [other for other in found if other is not run and _tags(other["data"]).get(CURRENT) != "false"]
        for other in past:
            self.server.ask("POST", "runs/set-tag", run_id=other["info"]["run_id"], key=CURRENT, value="false")
        if differing or gone or past:
            self.done.changed.append(night.as_of)

    def _made(self, night: NightRun) -> Json:
        given = {"experiment_id": self.experiment, "run_name": night.as_of.isoformat(), "start_time": night.began}
        made: Json = self.server.ask("POST", "runs/create", tags=_pairs(night.all_tags), **given)["run"]
        return made

    def _fill(self, identity: str, night: NightRun) -> None:
        """Send what a run holds, and end it; sent again, the same numbers leave one."""
        metrics = [
            {"key": name, "value": value, "timestamp": night.midnight, "step": 0}
            for name, value in night.metrics.items()
        ]
        params = _pairs(night.params)
        for at in range(max(math.ceil(len(metrics) / _MOST_METRICS), math.ceil(len(params) / _MOST_PARAMS))):
            part = {
                "metrics": metrics[at * _MOST_METRICS : (at + 1) * _MOST_METRICS],
                "params": params[at * _MOST_PARAMS : (at + 1) * _MOST_PARAMS],
            }
            self.server.ask("POST", "runs/log-batch", run_id=identity, **part)
        self.server.ask("POST", "runs/update", run_id=identity, status="FINISHED", end_time=night.ended)


class _Models:
    """The versions of a registered model, and its aliases."""

    def __init__(self, server: Server, done: Mirrored, runs: _Runs) -> None:
        self.server, self.done, self.runs = server, done, runs
        found = server.find("GET", "registered-models/get", name=done.name)
        if found is None:
            found = server.ask("POST", "registered-models/create", name=done.name)
        aliases: Sequence[Mapping[str, Any]] = found["registered_model"].get("aliases", ())
        self.aliases = {one["alias"]: str(one["version"]) for one in aliases}
        versions = server.pages(
            "GET", "model-versions/search", "model_versions", filter=f"name='{done.name}'", max_results=_PAGE
        )
        self.numbers = {_tags(one)[IDENTITY]: str(one["version"]) for one in versions if IDENTITY in _tags(one)}

    def bring(self, version: ModelVersion, place: str) -> None:
        """Make a version, unless it is there."""
        if version.identity in self.numbers:
            return
        made = self.server.ask(
            "POST",
            "model-versions/create",
            name=self.done.name,
            source=place,
            run_id=self.runs.of(version.night),
            description=version.description,
            tags=_pairs({**version.tags, IDENTITY: version.identity}),
        )
        self.numbers[version.identity] = str(made["model_version"]["version"])
        self.done.versions.append(version.identity)

    def point(self, alias: str, identity: str | None) -> None:
        """Let an alias name a version, or none."""
        number = None if identity is None else self.numbers[identity]
        if self.aliases.get(alias) == number:
            return
        if number is None:
            self.server.ask("DELETE", "registered-models/alias", name=self.done.name, alias=alias)
        else:
            self.server.ask("POST", "registered-models/alias", name=self.done.name, alias=alias, version=number)
        self.done.aliases[alias] = number


def _tags(of: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in of.get("tags", ())}


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in values.items()]
