"""Whole files or none; what stood there survives every failure."""

import errno
import os
import tempfile
from pathlib import Path

import pytest

from tasks.core.errors import StorageError
from tasks.core.files import hash_tree, hash_value, write_json, write_text, writing
from tasks.core.processes import Owner, this_process
from tasks.core.temporaries import SCRATCH, set_aside, sweep

DEAD = Owner(this_process().host, 2**22 - 1, "1")


def test_failure_in_the_middle_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), writing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("power cut")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_disk_full_says_so_and_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = write_text(tmp_path / "a.txt", "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match=r"a\.txt: the disk is full: free some space"):
        write_text(target, "new")
    assert target.read_text() == "old"


def test_unwritable_folder_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(StorageError, match="permission denied: make the folder writable"):
        write_text(tmp_path / "sub" / "a.txt", "new")


def test_a_folder_replaces_a_folder_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for name in ("first", "second"):
        with writing(target) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["second"]


def test_hashes_follow_content_names_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x").write_text("1")
    before = hash_tree(tmp_path)
    os.utime(tmp_path / "a/x", (1, 1))
    (tmp_path / ".gitignore").write_text("/a")
    assert hash_tree(tmp_path) == before
    (tmp_path / "a/x").rename(tmp_path / "a/y")
    assert hash_tree(tmp_path) != before


def test_equal_values_give_equal_bytes(tmp_path: Path) -> None:
    assert hash_value({"a": 1, "b": [2]}) == hash_value({"b": [2], "a": 1})
    one = write_json(tmp_path / "1", {"a": 1, "b": 2}).read_bytes()
    assert write_json(tmp_path / "2", {"b": 2, "a": 1}).read_bytes() == one


def test_a_workspace_has_its_unfinished_files_outside_of_every_output(tmp_path: Path) -> None:
    (tmp_path / SCRATCH).mkdir()
    target = tmp_path / "data/raw/day"
    with writing(target) as temporary:
        temporary.mkdir()
        assert temporary.is_relative_to(tmp_path / SCRATCH / "tmp")
        assert not target.parent.exists()
    assert target.is_dir()
    assert not any((tmp_path / SCRATCH / "tmp").iterdir())


def test_an_output_on_another_file_system_is_finished_there(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir=other) as elsewhere:
        (tmp_path / SCRATCH).mkdir()
        (tmp_path / "data").symlink_to(elsewhere)
        write_text(tmp_path / "data/raw/a", "1")
        assert [path.name for path in Path(elsewhere).rglob("*")] == ["raw", "a"]


def killed_between(root: Path, target: Path) -> Path:
    """Leave what a process leaves that dies between setting the old folder aside and putting the new one there."""
    folder = root / SCRATCH / "tmp" / f".dwell-{DEAD}-0.tmp"
    (folder / target.name).mkdir(parents=True)
    set_aside(target, folder)
    return folder


def test_a_kill_in_the_middle_of_a_replacement_brings_the_old_folder_back(tmp_path: Path) -> None:
    """Only where the file system cannot let two folders change places."""
    target = tmp_path / "data/raw"
    write_text(target / "a", "old")
    folder = killed_between(tmp_path, target)
    assert not target.exists()
    assert sweep(tmp_path) == [folder.relative_to(tmp_path).as_posix()]
    assert (target / "a").read_text() == "old"
    folder = killed_between(tmp_path, target)
    write_text(target / "a", "new")
    sweep(tmp_path)
    assert (target / "a").read_text() == "new", "a later run was there before"


def test_a_folder_is_replaced_where_two_cannot_change_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.core.files._renameat2", lambda: None)
    test_a_folder_replaces_a_folder_as_a_whole(tmp_path)


def test_only_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    scratch, data = tmp_path / SCRATCH / "tmp", tmp_path / "data/raw"
    mine, elsewhere = Owner.of(os.getpid()), Owner("another-machine", 1, "1")
    left = [scratch / f".dwell-{DEAD}-1.tmp", data / f".dwell-{DEAD}-2.tmp"]
    tried = scratch.parent / f".dwell-{DEAD}-check.tmp"
    unnamed = [data / ".day=2026-01-01.17.tmp", data / ".A-b_AAAAAAAAAAAAAAAAAA.tmp"]
    kept = [scratch / f".dwell-{mine}-3.tmp", data / f".dwell-{elsewhere}-4.tmp", data / ".mine.tmp", data / "x.1.tmp"]
    for path in (*left, tried, *unnamed, *kept):
        path.mkdir(parents=True)
    apart = [path.relative_to(tmp_path).as_posix() for path in (tried, left[0])]
    assert sweep(tmp_path) == apart, "beside others only what lies apart"
    assert {tmp_path / path for path in sweep(tmp_path, alone=True)} == {left[1], *unnamed}
    assert all(path.exists() for path in kept)


def test_a_library_that_reports_a_full_disk_in_its_own_words_is_understood(tmp_path: Path) -> None:
    target = write_text(tmp_path / "a.txt", "old")
    with pytest.raises(StorageError, match=r"a\.txt: the disk is full"), writing(target):
        raise RuntimeError("I/O error: No space left on device (os error 28)")
    with pytest.raises(StorageError, match=r"a\.txt: too many open files: raise the limit"), writing(target):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/elsewhere")
    with pytest.raises(PermissionError), writing(target):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/somewhere/source.csv")
    with pytest.raises(RuntimeError, match="a plain mistake"), writing(target):
        raise RuntimeError("a plain mistake")
    assert target.read_text() == "old"


def test_what_nobody_could_make_again_is_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def record(handle: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", record)
    write_text(tmp_path / "quick", "1")
    assert synced == []
    with writing(tmp_path / "entry", durable=True) as folder:
        folder.mkdir()
        (folder / "weights").write_text("1")
    assert synced == ["weights", "entry", tmp_path.name]
