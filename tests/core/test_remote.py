"""Files of tasks through a store: relocated, fetched by hash, put in place, and refused where the store holds something else."""

import multiprocessing
import os
import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.core.errors import MachineError, SourceError, StorageError
from tasks.core.files import hash_tree
from tasks.core.processes import Owner
from tasks.core.remote import Files, Shipping, run_shipped
from tasks.core.store import Store


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
    with pytest.raises(MachineError, match=rf"holds \w+, 4 bytes, as {digest}: run again"):
        run_shipped(url, shipped)
    (tmp_path / "store" / digest).unlink()
    with pytest.raises(MachineError, match=rf"could not fetch {digest}: .* is gone from there"):
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
    said = r"could not write \S*/dwell-task-\S+/part\.parquet: the disk is full; it is the disk of the worker on .* \(TMPDIR\)"
    with pytest.raises(StorageError, match=said):
        run_shipped(url, shipped)


def die(rows: Path) -> None:
    """Be killed with rows of users in the scratch folder."""
    assert rows.read_text() == "rows of users"
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_worker_left_is_removed_by_the_next_task_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = tmp_path / "tmp"
    parent.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(parent))
    monkeypatch.setenv("TMPDIR", str(parent))
    kept = parent / f"dwell-task-{Owner('elsewhere', 1, '1')}-x"
    kept.mkdir()
    url, rows = (tmp_path / "store").as_uri(), tmp_path / "rows.txt"
    rows.write_text("rows of users")
    shipping = Shipping(Store(url))
    shipped = shipping.pack(die, rows, Files((rows,)), "task 1 of 2")
    process = multiprocessing.get_context("spawn").Process(target=run_shipped, args=(url, shipped))
    process.start()
    process.join()
    (left,) = {*parent.iterdir()} - {kept}
    assert [path.read_text() for path in left.rglob("rows.txt")] == ["rows of users"]
    assert left.stat().st_mode & 0o77 == 0, "nobody else reads it meanwhile"
    run_shipped(url, shipping.pack(len, (), Files(()), "task 2 of 2"))
    assert [*parent.iterdir()] == [kept], "of another machine's process nobody knows"


def touch(path: Path) -> Path:
    """Make a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("made")
    return path


def test_no_path_leads_out_of_the_folder_of_a_worker(
    task: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, shipping = (tmp_path / "store").as_uri(), Shipping(Store((tmp_path / "store").as_uri()))
    monkeypatch.chdir(task["folder"].parents[1] / "many")
    up = Path("../../up.txt")
    shipped = shipping.pack(touch, up, Files((), (up,)), "task 1 of 1")
    returned = run_shipped(url, shipped)
    assert not (tmp_path / "up.txt").exists(), "it is made below the folder of the worker"
    assert shipping.unpack(shipped, returned) == tmp_path / "up.txt"
    assert (tmp_path / "up.txt").read_text() == "made"
    out = replace(shipped, writes=("a/../../out.txt",))
    with pytest.raises(MachineError, match=r"'a/../../out.txt', which lies outside of the folder"):
        run_shipped(url, out)
