"""Files of tasks through a store: relocated, fetched by hash, put in place, and refused where the store holds something else."""

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.core.cluster import ClusterAddress
from tasks.core.errors import MachineError, SourceError, StorageError
from tasks.core.files import hash_tree
from tasks.core.remote import Files, Shipping, Store, run_shipped


def rewrite(task: dict[str, Path]) -> Path:
    """Add to a file, make a folder with an empty one in it, remove a file; return one of the paths."""
    assert not task["secret"].exists(), "it was not named among what is read"
    (task["folder"] / "empty").mkdir(parents=True)
    (task["folder"] / "sum.txt").write_text(task["one"].read_text() + (task["many"] / "two.txt").read_text())
    task["gone"].unlink()
    return task["folder"] / "sum.txt"


@pytest.fixture
def task(tmp_path: Path) -> dict[str, Path]:
    here = tmp_path / "workspace"
    (here / "many").mkdir(parents=True)
    for name in ("one.txt", "many/two.txt", "gone.txt", "secret.txt", "kept.txt"):
        (here / name).write_text(name)
    names = {"one": "one.txt", "many": "many", "gone": "gone.txt", "secret": "secret.txt", "folder": "made/day=1"}
    return {key: here / name for key, name in names.items()}


def files(task: dict[str, Path]) -> Files:
    kept = task["one"].with_name("kept.txt")
    return Files((task["one"], task["many"]), (task["folder"], task["gone"], kept))


def test_a_task_reads_what_it_names_and_leaves_what_it_would_here(task: dict[str, Path], tmp_path: Path) -> None:
    url = (tmp_path / "store").as_uri()
    shipping = Shipping(Store(url))
    shipped = shipping.pack(rewrite, task, files(task), "task 1 of 1")
    workspace = task["one"].parent
    kept = (workspace / "kept.txt").stat()
    workspace.rename(tmp_path / "away")
    returned = run_shipped(url, shipped)
    (tmp_path / "away").rename(workspace)
    assert shipping.unpack(shipped, returned) == task["folder"] / "sum.txt"
    assert (task["folder"] / "sum.txt").read_text() == "one.txtmany/two.txt"
    assert (task["folder"] / "empty").is_dir()
    assert not task["gone"].exists()
    assert (workspace / "kept.txt").stat() == kept, "what did not change is not written anew"


def test_relative_paths_are_those_of_the_stage(
    task: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(task["one"].parent)
    url = (tmp_path / "store").as_uri()
    relative = {key: path.relative_to(task["one"].parent) for key, path in task.items()}
    shipping = Shipping(Store(url))
    shipped = shipping.pack(rewrite, relative, files(relative), "task 1 of 1")
    monkeypatch.chdir(tmp_path)
    assert shipping.unpack(shipped, run_shipped(url, shipped)) == task["folder"] / "sum.txt"


def test_content_is_stored_once(task: dict[str, Path], tmp_path: Path) -> None:
    shutil.copy(task["one"], task["many"] / "again.txt")
    shipping = Shipping(Store((tmp_path / "store").as_uri()))
    shipping.pack(rewrite, task, files(task), "task 1 of 1")
    before = hash_tree(tmp_path / "store")
    assert len(list((tmp_path / "store").iterdir())) == 4
    Shipping(Store((tmp_path / "store").as_uri())).pack(rewrite, task, files(task), "task 1 of 1")
    assert hash_tree(tmp_path / "store") == before


def test_what_is_not_what_its_name_says_is_refused(task: dict[str, Path], tmp_path: Path) -> None:
    url = (tmp_path / "store").as_uri()
    shipped = Shipping(Store(url)).pack(rewrite, task, files(task), "task 1 of 1")
    digest = next(digest for name, digest in shipped.reads.items() if name.endswith("two.txt"))
    (tmp_path / "store" / digest).write_text("half")
    with pytest.raises(MachineError, match=rf"holds \w+ as {digest}: remove that file there and run again"):
        run_shipped(url, shipped)
    (tmp_path / "store" / digest).unlink()
    with pytest.raises(MachineError, match=rf"could not fetch {digest}: .*credentials"):
        run_shipped(url, shipped)


def refuse(path: Path) -> None:
    """Refuse a file."""
    raise SourceError(f"{path} is damaged")


def test_an_error_names_the_file_of_the_stage(tmp_path: Path) -> None:
    url = (tmp_path / "store").as_uri()
    path = tmp_path / "part.parquet"
    path.touch()
    shipped = Shipping(Store(url)).pack(refuse, path, Files((path,)), "task 1 of 1")
    with pytest.raises(SourceError) as refused:
        run_shipped(url, shipped)
    assert str(refused.value) == f"{path} is damaged"


def fill(path: Path) -> None:
    """Say what `writing` says of a full disk."""
    raise StorageError(f"could not write {path}: the disk is full")


def test_a_disk_that_is_full_is_that_of_the_worker(tmp_path: Path) -> None:
    url = (tmp_path / "store").as_uri()
    shipped = Shipping(Store(url)).pack(fill, tmp_path / "part.parquet", Files(()), "task 1 of 1")
    with pytest.raises(StorageError, match=r"could not write \S*/dwell-task-\w+/\S+/part\.parquet: the disk is full"):
        run_shipped(url, shipped)


def test_a_store_that_is_none_is_told() -> None:
    with pytest.raises(
        MachineError, match=r"cluster.storage nowhere://here cannot be opened: .* pip install 'dwell\[s3\]'"
    ):
        Store("nowhere://here")


def test_credentials_are_no_part_of_the_address() -> None:
    with pytest.raises(ValidationError, match="storage"):
        ClusterAddress(address="tcp://scheduler:8786", storage="s3://key:secret@bucket")
