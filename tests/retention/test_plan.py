"""What goes with old nights, and that champion, rollback target, pooled evidence and kept nights' outputs never do."""

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest
import yaml

from tasks.core.errors import ConfigError, RegistryError
from tasks.core.files import hash_tree
from tasks.core.layout import Workspace
from tasks.doctor.registry import registries
from tasks.registry import Registry
from tasks.registry.entry import read_manifest
from tasks.retention import plan
from tests.registry.conftest import Nights, day

REPOSITORY = Path(__file__).resolve().parents[2]
NIGHTS = 16
WINNERS = {1: "a", 2: "b", 5: "a"}
"""Night -> challenger that it promoted: champions of nights 1, 2 and 5; a rollback returns to that of 2."""


class InWorkspace(Nights):
    """The registry where a workspace has it."""

    @property
    def registry(self) -> Registry:
        return Registry(self.root / "registry/simulator")


def cached(root: Path, content: bytes, suffix: str = "") -> str:
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
    path = root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


def locked(root: Path, name: str) -> str:
    """Put an output folder of one file into the cache, with the run that made it; return what its lock file says."""
    entries = [
        {"md5": cached(root, f"part of {name}".encode()), "relpath": "part"},
        {"md5": cached(root, b"shared"), "relpath": "s"},
    ]
    stage = {
        "cmd": "python -m tasks table",
        "outs": [{"path": "data/table", "md5": cached(root, json.dumps(entries).encode(), ".dir")}],
    }
    run = root / ".dvc/cache/runs/aa" / f"key-{name}" / "value"
    run.parent.mkdir(parents=True)
    run.write_text(yaml.safe_dump(stage))
    return yaml.safe_dump({"schema": "2.0", "stages": {"table": stage}})


@pytest.fixture
def workspace(sixteen: Workspace, tmp_path: Path) -> Workspace:
    return Workspace(Path(shutil.copytree(sixteen.root, tmp_path / "w")))


@pytest.fixture(scope="module")
def sixteen(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Sixteen nights: archived, registered, their outputs in the cache."""
    tmp_path = tmp_path_factory.mktemp("nights")
    root = tmp_path / "w"
    root.mkdir()
    shutil.copy(REPOSITORY / "params.yaml", root)
    workspace, nights = Workspace(root), InWorkspace(tmp_path)
    nights.root = root
    for number in range(1, NIGHTS + 1):
        pinned = nights.registry.evidence_for(day(number), 7)
        nights.run(number, WINNERS.get(number))
        archive = workspace.night("simulator", day(number))
        archive.mkdir(parents=True)
        key = {"as_of": day(number).isoformat(), "source": "simulator", "data": "d", "evidence": list(pinned)}
        (archive / "run.yaml").write_text(yaml.safe_dump(key))
        (archive / "dvc.lock").write_text(locked(root, f"night {number}"))
        for name in ("run.yaml", "dvc.lock"):
            shutil.copy(archive / name, root)
    return workspace


def archived(workspace: Workspace) -> list[str]:
    return sorted(path.name for path in (workspace.root / "nights/simulator").iterdir())


def evidence(workspace: Workspace) -> set[str]:
    return {path.name for path in (workspace.registry("simulator") / "evidence").iterdir()}


@pytest.mark.slow
def test_old_nights_go_and_what_still_serves_stays(workspace: Workspace) -> None:
    registry = Registry(workspace.registry("simulator"))
    before = evidence(workspace)
    found = plan(workspace, 2)
    assert "archived nights: 12 " in str(found)
    assert "then no longer: run nights again that pooled it" in str(found)
    assert evidence(workspace) == before, "it was only said"
    found.carry_out()
    assert archived(workspace) == [str(day(number)) for number in (2, 5, 15, 16)]
    status = registry.status()
    assert status.entry is not None and status.entry.as_of == day(5)
    assert set(registry.evidence_for(day(17), 7)) <= evidence(workspace), "what the next night pools"
    assert {name[:10] for name in before - evidence(workspace)} == {str(day(number)) for number in (5, 6, 7, 8)}
    for name in archived(workspace):
        pinned = yaml.safe_load((workspace.root / "nights/simulator" / name / "run.yaml").read_text())["evidence"]
        assert set(pinned) <= evidence(workspace)
    assert plan(workspace, 2).is_empty
    assert registry.rollback(None, "test").entry is not None


def test_the_model_of_an_old_champion_goes_and_what_it_was_stays(workspace: Workspace) -> None:
    registry = Registry(workspace.registry("simulator"))
    first, second, third = (event.entry for event in registry.history() if event.kind == "promoted")
    said = hash_tree(registry.path / f"entries/{first}/bundle")
    found = plan(workspace, 2)
    assert "models of old champions: 1 " in str(found)
    assert hash_tree(registry.path / f"entries/{first}/bundle") == said, "it was only said"
    found.carry_out()
    models = {path.parent.name for path in (registry.path / "entries").glob("*/bundle")}
    assert models == {second, third}
    assert read_manifest(registry.path / f"entries/{first}", first).as_of == day(1)
    with pytest.raises(
        RegistryError, match=f"the model of registry entry {first} .a of night {day(1)}. went with old nights"
    ):
        registry.rollback(first, "test")
    assert list(registries(workspace.root / "registry")) == []
    assert registry.status().champion == third
    assert plan(workspace, 2).is_empty
    nights = InWorkspace(workspace.root)
    nights.run(NIGHTS + 1, "b")
    assert registry.champion_for(day(NIGHTS + 2)) not in (first, second, third)


def test_the_cache_keeps_what_kept_nights_name(workspace: Workspace) -> None:
    plan(workspace, 2).carry_out()
    objects = workspace.root / ".dvc/cache/files/md5"
    contents = {path.read_bytes() for path in objects.glob("*/*") if not path.name.endswith(".dir")}
    assert contents == {b"shared", *(f"part of night {number}".encode() for number in (2, 5, 15, 16))}
    runs = {path.parent.name for path in (workspace.root / ".dvc/cache/runs").glob("*/*/*")}
    assert runs == {f"key-night {number}" for number in (2, 5, 15, 16)}


@pytest.mark.parametrize("where", [".dvc/config", ".dvc/config.local"])
def test_a_cache_that_lies_elsewhere_or_cannot_be_judged_is_let_be(workspace: Workspace, where: str) -> None:
    assert "objects in DVC's cache" in str(plan(workspace, 2))
    (workspace.root / where).write_text("[cache]\n    dir = /shared\n")
    assert "objects in DVC's cache" not in str(plan(workspace, 2))
    (workspace.root / where).unlink()
    (workspace.root / "dvc.lock").write_text("<<<<<<< HEAD\n")
    assert "objects in DVC's cache" not in str(plan(workspace, 2))


def test_trials_go_with_their_nights_and_what_the_last_made_stays_in_the_cache(workspace: Workspace) -> None:
    for number in (3, 16):
        trial = workspace.trial("simulator", day(number))
        (trial / "predictions").mkdir(parents=True)
        (trial / "dvc.lock").write_text(locked(workspace.root, f"trial {number}"))
    found = plan(workspace, 2)
    assert "trials: 1 " in str(found)
    found.carry_out()
    assert [path.name for path in workspace.trial("simulator", day(1)).parent.iterdir()] == [str(day(16))]
    runs = {path.parent.name for path in (workspace.root / ".dvc/cache/runs").glob("*/*/*")}
    assert "key-trial 16" in runs
    assert "key-trial 3" not in runs


def test_lineage_events_go_with_their_nights(workspace: Workspace) -> None:
    for number in (3, 16):
        told = workspace.lineage("simulator", day(number))
        told.parent.mkdir(parents=True, exist_ok=True)
        told.write_text("{}\n")
    found = plan(workspace, 2)
    assert "lineage events: 1 " in str(found)
    found.carry_out()
    assert [path.name for path in told.parent.iterdir()] == [told.name]


def test_enough_nights_to_keep_leave_nothing_to_remove(workspace: Workspace) -> None:
    assert plan(workspace, NIGHTS).is_empty
    with pytest.raises(ConfigError, match="keep_nights is 0"):
        plan(workspace, 0)


def test_history_of_runs_is_forgotten_by_age(workspace: Workspace) -> None:
    database = workspace.scratch / "prefect/prefect.db"
    database.parent.mkdir(parents=True)
    with sqlite3.connect(database) as connection:
        for table, column in (
            ("flow_run", "created"),
            ("log", "created"),
            ("artifact", "created"),
            ("events", "occurred"),
            ("event_resources", "occurred"),
        ):
            connection.execute(f"CREATE TABLE {table} (id INTEGER, {column} TEXT)")
            connection.execute(f"INSERT INTO {table} VALUES (1, '2020-01-01 00:00:00'), (2, datetime('now'))")
    found = plan(workspace, NIGHTS)
    assert "rows of Prefect's history before" in str(found)
    assert ": 5; " in str(found)
    found.carry_out()
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT id FROM flow_run").fetchall() == [(2,)]
    assert plan(workspace, NIGHTS).is_empty
