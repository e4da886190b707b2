"""Whole files or none; what stood there survives every failure."""

import errno
import os
from pathlib import Path

import pytest

from tasks.core.errors import StorageError
from tasks.core.files import hash_tree, hash_value, write_json, write_text, writing


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
