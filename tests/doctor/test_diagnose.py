"""Every kind of damage is found in one line with its remedy, and mended where nothing is lost."""

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tasks.core.files import write_json
from tasks.core.layout import Workspace
from tasks.core.processes import ROOT, RUN, Owner, this_process
from tasks.doctor import Finding
from tasks.doctor.disk import disk
from tasks.doctor.environment import environment
from tasks.doctor.files import files
from tasks.doctor.left import left
from tasks.doctor.registry import registries
from tasks.doctor.services import services
from tasks.registry.ledger import LEDGER, NewEvent, append, locked, read_ledger

REPOSITORY = Path(__file__).resolve().parents[2]
DEAD = Owner(this_process().host, 2**22 - 1, "1")
MARKED = "<<<<<<< HEAD\n{0}\n=======\n{0}\n>>>>>>> other\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    key = {"as_of": "2026-01-15", "source": "simulator", "data": "tasks/simulate"}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(key))
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    return Workspace(tmp_path)


@pytest.mark.slow
def test_a_sound_workspace_has_nothing(workspace: Workspace) -> None:
    assert [*files(workspace), *left(workspace), *registries(workspace.root / "registry")] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "name,damage,says",
    [
        ("run.yaml", MARKED.format("as_of: 2026-01-15"), "run.yaml: line 1 is the mark of a merge"),
        ("run.yaml", "as_of: 2026-01-15\nsour", "run.yaml"),
        ("run.yaml", "", "run.yaml must hold a mapping"),
        ("dvc.lock", MARKED.format("stages: {}"), "dvc.lock: line 1 is the mark of a merge"),
        ("dvc.lock", "schema: '2.0'\nstages:\n  ingest:\n    cmd: 'python", "dvc.lock:4: not valid YAML"),
        ("dvc.lock", "schema: '2.0'\n", "dvc.lock holds no stages"),
        ("dvc.lock", "schema: '2.0'\nstages:\n  ingest:\n", "dvc.lock: stage ingest was cut short"),
        ("dvc.lock", "stages:\n  ingest:\n    cmd: x\n    outs:\n    - path: a\n", "stage ingest was cut short"),
        ("dvc.lock", b"\xff\xfe", "dvc.lock is not UTF-8"),
        (".dvc/tmp/rwlock", '{"write": {"/da', "rwlock was cut short"),
    ],
)
def test_a_damaged_file_is_put_aside_not_deleted(
    workspace: Workspace, name: str, damage: str | bytes, says: str
) -> None:
    path = workspace.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(damage if isinstance(damage, bytes) else damage.encode())
    before = path.read_bytes()
    (finding,) = files(workspace)
    assert says in finding.problem
    assert "\n" not in str(finding)
    assert finding.mend is not None
    assert f"moved {path.name} to .dwell/damaged/" in finding.mend()
    assert [kept.read_bytes() for kept in (workspace.scratch / "damaged").iterdir()] == [before]
    assert list(files(workspace)) == []


@pytest.mark.slow
def test_what_a_person_wrote_is_for_a_person_to_mend(workspace: Workspace) -> None:
    workspace.params.write_text(MARKED.format("default_source: simulator"))
    (finding,) = files(workspace)
    assert finding.mend is None
    assert finding.grave


@pytest.mark.slow
def test_what_killed_processes_left_is_ended_and_removed(workspace: Workspace) -> None:
    folder = workspace.scratch / "tmp" / f".dwell-{DEAD}-0.tmp"
    folder.mkdir(parents=True)
    sleeper = subprocess.Popen(["sleep", "600"], env=os.environ | {RUN: str(DEAD), ROOT: str(workspace.root)})
    write_json(workspace.table / "table.json", {})
    processes, unfinished, others = left(workspace)
    assert f"{sleeper.pid} (sleep 600)" in processes.problem
    assert "data/table was left unfinished" in others.problem
    assert processes.mend is not None and unfinished.mend is not None
    processes.mend()
    unfinished.mend()
    assert sleeper.wait(10) == -signal.SIGKILL
    assert not folder.exists()


@pytest.fixture
def ledger(workspace: Workspace) -> Iterator[Path]:
    """A registry of two nights that kept no champion."""
    registry = workspace.registry("simulator")
    for number in (15, 16):
        night = dt.date(2026, 1, number)
        with locked(registry):
            append(
                registry,
                NewEvent(kind="refused", as_of=night, effective_from=night, entry=None, previous=None, reason="x"),
            )
    yield registry / LEDGER


def test_half_a_line_is_dropped_and_the_events_stay(workspace: Workspace, ledger: Path) -> None:
    events = read_ledger(ledger.parent)
    with ledger.open("a") as stream:
        stream.write('{"sequence": 2, "ki')
    (finding,) = registries(workspace.root / "registry")
    assert "cut short by a crash" in finding.problem
    assert not finding.grave
    assert finding.mend is not None
    assert "dropped 19 bytes" in finding.mend()
    assert list(registries(workspace.root / "registry")) == []
    assert read_ledger(ledger.parent) == events


@pytest.mark.parametrize(
    "damage,says",
    [
        (lambda text: MARKED.format(text.splitlines()[0]) + text, "line 1 cannot be read"),
        (lambda text: text.replace('"x"', '"y"'), "line 1 was edited"),
        (lambda text: text.splitlines(keepends=True)[0], "the last lines were removed"),
    ],
)
def test_a_ledger_that_was_written_over_is_for_a_person(
    workspace: Workspace, ledger: Path, damage: Callable[[str], str], says: str
) -> None:
    ledger.write_text(damage(ledger.read_text()))
    (finding,) = registries(workspace.root / "registry")
    assert says in finding.problem
    assert "restore ledger.jsonl and ledger.head together from a backup" in finding.remedy
    assert finding.mend is None
    assert finding.grave


def test_an_entry_that_the_ledger_names_must_be_there(workspace: Workspace, ledger: Path) -> None:
    night = dt.date(2026, 1, 17)
    new = NewEvent(kind="promoted", as_of=night, effective_from=night, entry="abc", previous=None, reason="x")
    append(ledger.parent, new)
    (finding,) = registries(workspace.root / "registry")
    assert "holds no entry abc" in finding.problem
    assert finding.grave


def test_packages_are_held_against_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("polars==0.0.1 \\\n    --hash=sha256:00\nno-such-package==1.0\n")
    (finding,) = environment(lock)
    assert "polars is " in finding.problem and "no-such-package is missing" in finding.problem
    assert not finding.grave


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert list(services()) == []
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    (finding,) = services()
    assert "the Prefect server at http://127.0.0.1:1/api cannot be reached (ConnectionError)" in finding.problem


def test_too_little_space_is_said_before_the_night(workspace: Workspace) -> None:
    part = workspace.raw / "part.parquet"
    part.parent.mkdir(parents=True)
    with part.open("wb") as stream:
        stream.truncate(shutil.disk_usage(workspace.root).free)
    (finding,) = disk(workspace)
    assert "GiB are free, a night here takes up to" in finding.problem
    part.unlink()
    part.write_bytes(b"x")
    assert list(disk(workspace)) == []


def test_a_finding_is_one_line() -> None:
    assert str(Finding("a is b", "do c")) == "a is b: do c"
    assert json.dumps(str(Finding("a", "b"))) == '"a: b"'
