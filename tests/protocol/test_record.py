"""A result names the commit it was measured at, and says if what was measured differs from it."""

import subprocess
from pathlib import Path

from tasks.protocol.record import commit


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def test_what_was_just_recorded_is_not_what_is_measured(tmp_path: Path) -> None:
    for name in ("tasks/a.py", "benchmarks/x/results/one.md", "benchmarks/y/results.md", "benchmarks/y/results.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-q", "-m", "first")
    clean = commit(tmp_path / "tasks")
    assert len(clean) == 12
    for path in (tmp_path / "benchmarks").rglob("*.*"):
        path.write_text("after")
    assert commit(tmp_path / "tasks") == clean
    (tmp_path / "tasks/a.py").write_text("after")
    assert commit(tmp_path / "tasks") == f"{clean}-dirty"
    assert commit(Path("/")) == "unknown"
