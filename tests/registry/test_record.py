"""Registering nights: what is kept, once, and what a later or repeated night finds."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import ConfigError, RegistryError, StorageError
from tasks.core.files import hash_tree
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.registry import force, ledger, record, register
from tasks.registry.entry import read_entry

REPOSITORY = Path(__file__).resolve().parents[2]


def entry_names(nights: Any) -> list[str]:
    return sorted(path.name for path in (nights.registry.path / "entries").glob("*"))


def test_first_night_finds_no_champion(nights: Any, of_night: Any) -> None:
    assert nights.registry.champion_for(of_night(1)) is None
    assert nights.registry.evidence_for(of_night(1)) == ()
    assert nights.registry.history() == ()
    assert str(nights.registry.status()).startswith("champion: none")
    assert not nights.registry.path.exists()  # asking leaves no trace


def test_promotion_serves_from_the_next_night_on(nights: Any, of_night: Any) -> None:
    event = nights.run(1, winner="a")
    assert event.kind == "promoted"
    assert event.entry is not None
    assert nights.registry.champion_for(of_night(1)) is None
    assert nights.registry.champion_for(of_night(2)) == event.entry
    entry = read_entry(nights.registry.path / "entries" / event.entry, event.entry)
    assert (entry.recipe, entry.recipe_hash, entry.as_of) == ("a", "recipe-a", of_night(1))
    assert entry.provenance.model_dump() == {"data": "d", "code": "c", "config": "k"}
    assert entry.metrics == {"xauc": 0.67}
    assert entry.decision == event.decision
    assert "decision.json" in entry.files
    assert entry.forced_reason is None


def test_entry_is_named_by_its_content(nights: Any) -> None:
    event = nights.run(1, winner="a")
    assert hash_tree(nights.registry.path / "entries" / event.entry).startswith(event.entry)


def test_kept_and_refused_leave_the_champion(nights: Any, of_night: Any) -> None:
    assert nights.run(1).kind == "refused"
    first = nights.run(2, winner="a")
    assert nights.run(3).kind == "kept"
    assert nights.registry.champion_for(of_night(4)) == first.entry
    assert nights.registry.history()[-1].entry == first.entry
    assert [event.kind for event in nights.registry.history()] == ["refused", "promoted", "kept"]


def test_same_decision_twice_leaves_one_event(nights: Any) -> None:
    first, again = nights.run(1, winner="a"), nights.run(1, winner="a")
    assert first == again
    assert len(nights.registry.history()) == 1
    assert len(entry_names(nights)) == 1


def test_older_night_finds_what_its_first_run_found(nights: Any, of_night: Any) -> None:
    events = [nights.run(number, winner="a" if number % 2 else None) for number in range(1, 8)]
    for number in range(2, 8):
        assert nights.registry.champion_for(of_night(number)) == events[number - 2].entry
    assert nights.registry.evidence_for(of_night(4)) == tuple(event.evidence for event in events[:3])
    before = nights.registry.history()
    nights.run(3, winner="a")
    assert nights.registry.history() == before


def test_last_decision_of_a_night_counts(nights: Any, of_night: Any) -> None:
    first = nights.run(1, winner="a")
    second = nights.run(2, winner="a")
    nights.run(2)  # the night again, with a stricter policy: the champion stays
    assert nights.registry.champion_for(of_night(3)) == first.entry
    assert nights.run(2, winner="a").sequence == 3  # and again as it was
    assert nights.registry.champion_for(of_night(3)) == second.entry


def test_evidence_of_the_last_six_nights(nights: Any, of_night: Any) -> None:
    events = [nights.run(number, winner="a" if number == 1 else None) for number in range(1, 10)]
    assert nights.registry.evidence_for(of_night(10)) == tuple(event.evidence for event in events[3:])
    assert nights.registry.evidence_for(of_night(10), days=1) == ()
    assert all(name.startswith("2022-05-0") for name in nights.registry.evidence_for(of_night(10)))


def test_decision_against_another_champion_is_refused(nights: Any, of_night: Any, decision: Any) -> None:
    nights.run(1, winner="a")
    with pytest.raises(RegistryError, match="decided against champion none, but the registry now says"):
        nights.registry.register(nights.artifacts(of_night(2)), decision(of_night(2), "a", None))
    assert len(nights.registry.history()) == 1


@pytest.mark.parametrize(
    ("missing", "said"), [("a.parquet", "no judge table for challenger-a.parquet"), ("a", "holds no files to copy")]
)
def test_missing_artifact_records_nothing(nights: Any, of_night: Any, decision: Any, missing: str, said: str) -> None:
    night = nights.artifacts(of_night(1), champion=False)
    path = nights.root / "artifacts/2022-05-01" / missing
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(RegistryError, match=said):
        nights.registry.register(night, decision(of_night(1), "a", None))
    assert nights.registry.history() == ()
    assert entry_names(nights) == []


def test_register_from_a_workspace(nights: Any, of_night: Any, decision: Any, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for name in ("a", "b"):
        workspace.predictions(name).mkdir(parents=True)
        (workspace.predictions(name) / "judge.parquet").write_text(name)
        workspace.bundle(name).mkdir(parents=True)
        (workspace.bundle(name) / "weights").write_text(name)
        (workspace.bundle(name) / ".gitignore").write_text("/weights")
    xauc = {"value": 0.7, "low": 0.6, "high": 0.8, "rows": 3}
    measured = {
        "name": "a",
        "rows": 3,
        "users": 2,
        "metrics": {"xauc": xauc, "wt@3": xauc, "tre": xauc | {"value": None}},
    }
    (workspace.predictions("a") / "metrics.json").write_text(json.dumps(measured))
    verdict = decision(of_night(1), "a", None)
    key = RunKey(as_of=of_night(1), source="simulator", data="")
    with pytest.raises(RegistryError, match="the decision is of night 2022-05-02"):
        register(nights.registry, workspace, key, decision(of_night(2), "a", None))
    with pytest.raises(RegistryError, match="the decision is of night 2022-05-02"):
        force(nights.registry, workspace, key, decision(of_night(2), "a", None), "b", "because")
    with pytest.raises(RegistryError, match="run the night first"):
        register(nights.registry, workspace, key, verdict)
    workspace.params.write_text("source: simulator")
    (workspace.features / "day=1").mkdir(parents=True)
    (workspace.features / "day=1/manifest.json").write_text("{}")
    event = register(nights.registry, workspace, key, verdict)
    entry = nights.registry.status().entry
    assert entry.metrics == {"rows": 3, "users": 2, "xauc": 0.7, "xauc_low": 0.6, "xauc_high": 0.8}
    assert set(entry.files) == {"bundle/weights", "decision.json"}
    assert len(entry.provenance.data) == len(entry.provenance.code) == len(entry.provenance.config) == 64
    assert register(nights.registry, workspace, key, verdict) == event
    forced = force(nights.registry, workspace, key, verdict, "b", "because")
    assert (forced.kind, forced.previous, forced.effective_from) == ("forced", None, of_night(2))
    assert set(nights.registry.status().entry.files) == {"bundle/weights", "decision.json"}


# ---- force


def test_forced_promotion_is_marked_for_ever(nights: Any, of_night: Any, decision: Any) -> None:
    nights.run(1, winner="a")
    kept = nights.run(2)
    refused = decision(of_night(2), None, kept.entry)
    event = nights.registry.force(nights.artifacts(of_night(2)), refused, "b", "the judge day was a holiday")
    assert (event.kind, event.previous) == ("forced", kept.entry)
    assert nights.registry.champion_for(of_night(2)) == kept.entry
    assert nights.registry.champion_for(of_night(3)) == event.entry
    assert nights.registry.status().entry.forced_reason == "the judge day was a holiday"
    assert "promoted by force: the judge day was a holiday" in str(nights.registry.status())
    again = nights.registry.force(nights.artifacts(of_night(2)), refused, "b", "the judge day was a holiday")
    assert again == event
    nights.run(2)  # the gate's own word on that night, again
    assert nights.registry.champion_for(of_night(3)) == event.entry
    nights.run(3, winner="a")
    assert [e.kind for e in nights.registry.history()] == ["promoted", "kept", "forced", "promoted"]


def test_force_needs_a_reason_and_the_latest_night(nights: Any, of_night: Any, decision: Any) -> None:
    first = nights.run(1, winner="a")
    refused = decision(of_night(2), None, first.entry)
    with pytest.raises(ConfigError, match="needs a reason"):
        nights.registry.force(nights.artifacts(of_night(2)), refused, "b", " ")
    nights.run(2)
    nights.run(3)
    with pytest.raises(RegistryError, match="night 2022-05-03 is already decided"):
        nights.registry.force(nights.artifacts(of_night(2)), refused, "b", "because")
    with pytest.raises(RegistryError, match="recorded with `force`"):
        nights.registry.register(nights.artifacts(of_night(2)), refused.forced("b", "because"))


# ---- crashes, full disks, several writers


def test_crash_between_entry_and_ledger(nights: Any, of_night: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(record, "append", crash)
        nights.run(1, winner="a")
    assert len(entry_names(nights)) == 1
    assert nights.registry.champion_for(of_night(2)) is None
    event = nights.run(1, winner="a")
    assert entry_names(nights) == [event.entry]
    assert nights.registry.champion_for(of_night(2)) == event.entry


def test_crash_while_copying_leaves_nothing_behind(nights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = nights.registry.path / "entries"
    (entries / ".incoming/bundle").mkdir(parents=True)  # what a kill -9 leaves
    (entries / ".incoming/bundle/half").write_text("half a file")
    event = nights.run(1, winner="a")
    assert [path.name for path in entries.iterdir()] == [event.entry]


def test_crash_between_line_and_head(nights: Any, of_night: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nights.run(1, winner="a")
    written: list[int] = []

    def crash(registry: Path, events: tuple[Any, ...]) -> None:
        written.append(len(events))
        if len(events) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ledger, "_write_head", crash)
        nights.run(2)
    assert written == [1, 2]
    assert len(nights.registry.history()) == 2
    nights.run(2)
    nights.run(3)
    assert [event.sequence for event in nights.registry.history()] == [0, 1, 2]


def test_line_cut_short_by_a_crash_does_not_count(nights: Any) -> None:
    first = nights.run(1, winner="a")
    path = nights.registry.path / "ledger.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind": "promoted", "reason": "' + b"x" * 5000)
    assert nights.registry.history() == (first,)
    nights.run(2)
    assert len(nights.registry.history()) == 2
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_full_disk_records_nothing(nights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nights.run(1, winner="a")
    path = nights.registry.path / "ledger.jsonl"
    before = path.read_bytes()
    real = os.write

    def full(handle: int, data: bytes) -> int:
        return int(real(handle, data[:10]))

    with monkeypatch.context() as patch, pytest.raises(StorageError, match="nothing was recorded"):
        patch.setattr(os, "write", full)
        nights.run(2)
    assert path.read_bytes() == before
    assert nights.run(2).sequence == 1


_WRITER = """
import sys, time, importlib.util
from pathlib import Path
spec = importlib.util.spec_from_file_location("made", sys.argv[1]); made = importlib.util.module_from_spec(spec)
sys.modules["made"] = made; spec.loader.exec_module(made)
nights = made.Nights(Path(sys.argv[2])); start = Path(sys.argv[2]) / "start"
(Path(sys.argv[2]) / f"ready-{sys.argv[3]}").touch()
while not start.exists(): time.sleep(0.001)
for number in range(1, 9):
    as_of = made.day(number); night = made.Nights(Path(sys.argv[2]) / sys.argv[3]).artifacts(as_of, False)
    nights.registry.register(night, made.decide(as_of, None, None))
"""


@pytest.mark.slow
def test_two_processes_at_once(nights: Any) -> None:
    arguments = [sys.executable, "-c", _WRITER, str(Path(__file__).with_name("conftest.py")), str(nights.root)]
    writers = [subprocess.Popen([*arguments, name], cwd=REPOSITORY) for name in ("x", "y")]
    deadline = time.monotonic() + 60
    while not all((nights.root / f"ready-{name}").exists() for name in ("x", "y")) and time.monotonic() < deadline:
        time.sleep(0.01)
    (nights.root / "start").touch()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    events = nights.registry.history()
    assert sorted(event.as_of.day for event in events) == list(range(1, 9))  # each night once, the chain unbroken
    assert len(list((nights.registry.path / "evidence").iterdir())) == 8


def test_a_writer_that_does_not_let_go(nights: Any) -> None:
    with (
        ledger.locked(nights.registry.path),
        pytest.raises(RegistryError, match="another process has been writing"),
        ledger.locked(nights.registry.path, timeout_s=0.05),
    ):
        pass
