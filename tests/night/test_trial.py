"""A trial: which models it judges, in a copy that shares nothing with the workspace but what it reads and DVC's cache."""

import contextlib
import subprocess
from pathlib import Path

import pytest
import yaml

from tasks.config import load_params
from tasks.core.errors import ConfigError
from tasks.core.layout import Workspace
from tasks.night.lock import holder
from tasks.night.trial import chosen, trial_workspace
from tests.flows.small_night import dwell, tiny_params


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a workspace of three recipes and an ensemble, with a registry and data inside it."""
    root = tmp_path / "work"
    root.mkdir()
    params = tiny_params()
    params["recipes"] |= dict.fromkeys(("mine", "other"), params["recipes"]["d2q"])
    params["ensembles"] = {"both": {"members": ["other", "mine"]}}
    params["sources"]["log"] = {"kind": "kuairand", "path": "datasets/log", "variant": "pure"}
    (root / "params.yaml").write_text("# as a person wrote it\n" + yaml.safe_dump(params))
    (root / ".gitignore").write_text("/.dwell/\n/datasets/\n/registry/\n/nights/\n/metrics/\n.dvc/cache\n")
    for name in (
        "datasets/log/rows.csv",
        "datasets/moved/rows.csv",
        "registry/simulator/ledger.jsonl",
        "metrics/d2q.json",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    subprocess.run(["dvc", "init", "--quiet"], cwd=root, check=True)
    return Workspace(root)


def test_named_models_are_judged_and_with_an_ensemble_its_members(workspace: Workspace) -> None:
    params = load_params(workspace.params)
    assert chosen(params, ()) == (("d2q",), ())
    assert chosen(params, ["mine", "d2q", "mine"]) == (("mine", "d2q"), ())
    assert chosen(params, ["both", "mine"]) == (("mine", "other"), ("both",))
    with pytest.raises(ConfigError, match=r"no recipe or ensemble 'minne'.*did you mean 'mine'"):
        chosen(params, ["minne"])


@pytest.mark.slow
def test_it_runs_in_a_copy_that_is_gone_afterwards(workspace: Workspace) -> None:
    before = workspace.params.read_text()
    (workspace.root / ".dvc/cache/files/md5/ab").mkdir(parents=True)
    with trial_workspace(workspace, ["mine"], Path("datasets/moved")) as place:
        nightly = load_params(place.params).nightly
        assert (nightly.recipes, nightly.ensembles) == (("mine",), ())
        assert place.params.read_text().startswith("# as a person wrote it\n")
        assert holder(place) is not None, "its stages are part of this run"
        assert (place.registry("simulator") / "ledger.jsonl").exists()
        for data in ("log", "moved"):
            assert (place.root / "datasets" / data / "rows.csv").read_text() == f"datasets/{data}/rows.csv"
        assert not (place.root / "metrics").exists()
        said = subprocess.run(["dvc", "cache", "dir"], cwd=place.root, capture_output=True, text=True, check=True)
        assert Path(said.stdout.strip()).samefile(workspace.root / ".dvc/cache")
    assert not place.root.exists()
    assert (workspace.registry("simulator") / "ledger.jsonl").read_text() == "registry/simulator/ledger.jsonl"
    assert workspace.params.read_text() == before
    with contextlib.suppress(RuntimeError), trial_workspace(workspace, []) as place:
        raise RuntimeError("a stage failed")
    assert not place.root.exists()


def test_what_a_published_night_judges_is_not_said_on_the_command_line(workspace: Workspace) -> None:
    refused = dwell(workspace.root, "nightly", "--recipes", "mine", status=2)
    assert "error: --recipes goes with --no-publish" in refused
    refused = dwell(workspace.root, "nightly", "--rewrite", "--no-publish", status=2)
    assert "error: --rewrite and --no-publish contradict each other" in refused
