"""treeverse/dvc#11091: a failing stage takes back the .gitignore entries of the stages that succeeded before it.

Their outputs, gigabytes perhaps, then lie open to `git add`. Not fixed in the DVC that pyproject.toml pins.
"""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


def after_a_failure(root: Path, *commands: list[str]) -> str:
    """Let one stage make data/raw, the next one fail; return what git would add then."""
    from dvc.exceptions import ReproductionError
    from dvc.repo import Repo

    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("[core]\n    analytics = false\n")
    (root / "data").mkdir()
    making = {"cmd": "mkdir -p data/raw && echo 1 > data/raw/a", "outs": ["data/raw"]}
    failing = {"cmd": "exit 1", "deps": ["data/raw"], "outs": ["data/table"]}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"ingest": making, "table": failing}}))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    with Repo(str(root)) as repo, pytest.raises(ReproductionError):
        repo.reproduce(str(root / "dvc.yaml"))
    assert (root / "data/raw/a").is_file()
    command = ["git", "add", "--all", "--dry-run"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_bare_dvc_leaves_the_output_to_git(tmp_path: Path) -> None:
    assert "data/raw/a" in after_a_failure(tmp_path)


@pytest.mark.slow
def test_outputs_are_ignored_by_a_file_that_dvc_does_not_write(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / ".gitignore", tmp_path)
    assert "data/" not in after_a_failure(tmp_path)
    assert (tmp_path / ".gitignore").read_bytes() == (REPOSITORY / ".gitignore").read_bytes()


def test_every_output_of_the_stage_graph_is_ignored(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"].values()
    outs = [
        out for stage in stages for kind in ("outs", "metrics", "plots") for out in stage.get("do", stage).get(kind, [])
    ]
    paths = [out if isinstance(out, str) else next(iter(out)) for out in outs]
    asked = "\n".join(paths)
    command = ["git", "check-ignore", "--no-index", "--stdin"]
    said = subprocess.run(command, cwd=tmp_path, input=asked, capture_output=True, text=True, check=False).stdout
    assert said.split() == paths != []
