"""A store between machines: whole files or none, whoever is cut off; buckets that are none, and addresses that can be no store."""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from pydantic import ValidationError

from tasks.core.cluster import ClusterAddress
from tasks.core.errors import MachineError, StorageError
from tasks.core.files import hash_file
from tasks.core.store import FRESH_S, Store


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"file://{tmp_path / 'a store'}"


@pytest.fixture
def one(tmp_path: Path) -> Path:
    path = tmp_path / "one.txt"
    path.write_text("rows of users")
    return path


def test_a_bucket_that_is_none_is_named_and_not_made(bucket: str, one: Path, tmp_path: Path) -> None:
    import boto3

    with pytest.raises(MachineError, match=r"s3://nigths/workers: there is no bucket nigths: mend its name, or make"):
        Store("s3://nigths/workers").put(one)
    assert [found["Name"] for found in boto3.client("s3").list_buckets()["Buckets"]] == ["nights"]
    digest = Store(bucket).put(one)
    with pytest.raises(MachineError, match="is gone from there"):
        Store(f"{bucket}/other").get(digest, tmp_path / "fetched.txt")
    Store(bucket).get(Store(bucket).put(one), tmp_path / "fetched.txt")
    assert (tmp_path / "fetched.txt").read_text() == "rows of users"


def test_a_put_that_is_cut_leaves_nothing_and_the_next_one_a_whole_file(
    url: str, one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(self: Any, path: str, target: str, **options: Any) -> None:
        Path(target).write_text("rows")
        assert not (tmp_path / "a store" / hash_file(one)).exists(), "nobody sees half of it under its name"
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(LocalFileSystem, "put_file", cut)
        with pytest.raises(MachineError, match=r"could not put \S*one\.txt there: .*No space left.*: the disk is full"):
            Store(url).put(one)
    assert list((tmp_path / "a store").iterdir()) == []
    digest = Store(url).put(one)
    Store(url).get(digest, tmp_path / "fetched.txt")


def test_what_is_there_in_another_size_or_long_is_written_anew(url: str, one: Path, tmp_path: Path) -> None:
    stored = tmp_path / "a store" / Store(url).put(one)
    stored.write_text("rows")
    Store(url).put(one)
    assert stored.read_text() == "rows of users"
    old_s = time.time() - FRESH_S / 2
    os.utime(stored, (old_s, old_s))
    Store(url).put(one)
    assert stored.stat().st_mtime == pytest.approx(old_s), "what is fresh is left"
    os.utime(stored, (old_s - FRESH_S, old_s - FRESH_S))
    Store(url).put(one)
    assert time.time() - stored.stat().st_mtime < FRESH_S / 2, "a rule counts its age from now on"


def test_a_writer_that_another_was_before_is_content(
    url: str, one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a system renames onto no file."""

    def refuse(self: Any, path: str, target: str, **options: Any) -> None:
        shutil.copy(one, target)
        raise FileExistsError(target)

    monkeypatch.setattr(LocalFileSystem, "mv", refuse)
    Store(url).put(one)
    assert [path.name for path in (tmp_path / "a store").iterdir()] == [hash_file(one)]


def test_a_disk_that_is_full_is_no_matter_of_credentials(
    url: str, one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*about: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    digest = Store(url).put(one)
    monkeypatch.setattr(LocalFileSystem, "get_file", full)
    with pytest.raises(StorageError, match=r"could not write \S*fetched\.txt: the disk is full"):
        Store(url).get(digest, tmp_path / "fetched.txt")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nowhere://here", r"nowhere://here cannot be opened: (?!.*pip install).*nowhere"),
        ("sftp://127.0.0.1:port/x", "cannot be opened"),
        ("memory://x", "memory:// cannot hold what several machines write"),
        ("sftp://user:hidden@host/x", "credentials"),
    ],
)
def test_what_cannot_be_opened_is_told_in_a_line(url: str, said: str) -> None:
    with pytest.raises(MachineError, match=said) as refused:
        Store(url)
    assert "\n" not in str(refused.value) and "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "storage", "said"),
    [
        ("tcp://user:hidden@scheduler:8786", None, "credentials come from the environment"),
        ("tcp://scheduler:8786", "s3://key:hidden@bucket", "credentials come from the environment"),
        ("tcp://scheduler:8786", "gs://hidden@bucket/x", "credentials come from the environment"),
        ("inproc://here", None, "pattern"),
        ("tcp://scheduler:8786", "dir:///shared", "cannot hold"),
        ("tcp://scheduler:8786", "http://server/x", "cannot hold"),
        ("tcp://scheduler:8786", "s3:///", "names no bucket"),
        ("tcp://scheduler:8786", "file://shared/x", "does not begin at the root"),
    ],
)
def test_settings_that_no_worker_could_follow_are_refused(address: str, storage: str | None, said: str) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        ClusterAddress(address=address, storage=storage)
    assert "hidden" not in str(refused.value)


def test_a_path_of_files_may_hold_spaces_and_signs() -> None:
    storage = "file:///shared disk/of a@b"
    assert ClusterAddress(address="tcp://scheduler:8786", storage=storage).storage == storage
