"""A place for experiments: a copy that runs like the workspace and leaves it as it is."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tasks.core.errors import ConfigError, NightError
from tasks.core.layout import Workspace
from tasks.night.sandbox import make_sandbox


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a workspace with a changed file, an ignored one, data inside it, a registry and a cache."""
    root = tmp_path / "work"
    (root / "tasks").mkdir(parents=True)
    params = {
        "default_source": "mine",
        "sources": {"mine": {"kind": "kuairand", "path": "datasets/log", "variant": "pure"}},
        "nightly": {"recipes": ["d2q"]},
        "recipes": {"d2q": {"head": {"kind": "d2q"}}},
    }
    for name, text in {
        ".gitignore": "/.dwell/\n/datasets/\n/registry/\n/nights/\n/data/\n.dvc/cache\n",
        "params.yaml": yaml.safe_dump(params),
        "tasks/own.py": "committed = 1\n",
    }.items():
        (root / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    (root / "tasks/own.py").write_text("changed = 2\n")
    (root / "tasks/new.py").write_text("added = 3\n")
    for name in ("datasets/log/rows.csv", "registry/mine/ledger.jsonl", "data/raw/x", ".dvc/cache/files/md5/ab/cd"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return Workspace(root)


def test_it_holds_what_lies_on_disk_and_what_nights_decided_and_no_outputs(workspace: Workspace) -> None:
    sandbox = make_sandbox(workspace, "tryout")
    assert sandbox == workspace.root / ".dwell/sandboxes/tryout"
    assert (sandbox / "tasks/own.py").read_text() == "changed = 2\n"
    assert (sandbox / "tasks/new.py").read_text() == "added = 3\n"
    assert (sandbox / "registry/mine/ledger.jsonl").exists()
    assert not (sandbox / "data").exists()
    assert (sandbox / "datasets/log/rows.csv").read_text() == "datasets/log/rows.csv"


def test_nothing_that_is_done_in_it_reaches_the_workspace(workspace: Workspace) -> None:
    sandbox = make_sandbox(workspace, "tryout")
    (sandbox / "registry/mine/ledger.jsonl").write_text("another history")
    (sandbox / "params.yaml").write_text("")
    cached = Path(".dvc/cache/files/md5/ab/cd")
    assert (sandbox / cached).samefile(workspace.root / cached), "no second copy of what nights made"
    (sandbox / cached).unlink()
    assert (workspace.root / "registry/mine/ledger.jsonl").read_text() == "registry/mine/ledger.jsonl"
    assert workspace.params.read_text() != ""
    assert (workspace.root / cached).exists()


def test_a_second_of_the_same_name_is_refused(workspace: Workspace) -> None:
    make_sandbox(workspace, "tryout")
    with pytest.raises(ConfigError, match=r"tryout exists already: work in it, remove it \(rm -r "):
        make_sandbox(workspace, "tryout")


def test_without_git_it_says_what_is_missing(workspace: Workspace) -> None:
    (workspace.root / ".git").rename(workspace.root / "elsewhere")
    with pytest.raises(NightError, match="git cannot list the files of"):
        make_sandbox(workspace, "tryout")
    assert not (workspace.root / ".dwell/sandboxes/tryout").exists()
