"""A small workspace: the project's own stage graph and code, a night that takes seconds."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from flows import cli

REPOSITORY = Path(__file__).resolve().parents[2]


def small_params() -> dict[str, Any]:
    """Return the project's params.yaml with a night small enough for a test."""
    params: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["sources"]["simulator"] |= {"users": 300, "videos": 200, "impressions_per_day": 3000}
    params["nightly"] |= {"recipes": ["d2q"], "stage_retries": 0}
    params["training"] |= {
        "seeds": [0],
        "max_epochs": 2,
        "learning_rate": 0.001,
        "calibration": {"min_rows": 100, "max_tre": 10},
    }
    params["evaluation"] |= {"replicates": 100, "truth_rows": 2000}
    params["baselines"] |= {"enabled": ["constant", "duration_table"]}
    params["gate"] |= {
        "minimum_rows": 500,
        "minimum_users": 100,
        "trivial_baselines": ["constant"],
        "baseline_floor": "none",
        "tre": 10,
        "dce_max": 10,
    }
    params["score"] |= {"pool_size": 20, "top_k": 5}
    return params


def tiny_params() -> dict[str, Any]:
    """Return a night half as small: enough to see stages, drivers and promotions at work, too little to tell models apart.

    Recipes that it does not fit are left out: DVC writes all of them down after each stage.
    """
    params = small_params()
    params["sources"]["simulator"] |= {"users": 200, "videos": 150, "impressions_per_day": 1500}
    params["window"] |= {"fit_days": 2}
    params |= {"recipes": {"d2q": params["recipes"]["d2q"]}, "ensembles": {}}
    harmless = {"tolerance": 0.5, "floor": -1.0}
    params["gate"] |= {
        "refresh_xauc_margin": 0.5,
        "anchor_margin": 0.5,
        "rmse_ratio": 2.0,
        "mae_seconds": 60.0,
        "dce_slack": 10,
        **dict.fromkeys(("ranking_harm", "cold_start_harm", "sparse_harm", "exposure_harm"), harmless),
    }
    return params


def make_workspace(root: Path, params: dict[str, Any]) -> Path:
    """Copy the project's code and stage graph to `root`, a git and DVC repository of its own."""
    root.mkdir(parents=True)
    ignore = shutil.ignore_patterns("*.egg-info")
    for name in ("tasks", "models", "flows"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=ignore)
    for name in ("dvc.yaml", "prefect.yaml", ".dvcignore", ".gitignore", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, root / name)
    (root / ".dvc").mkdir()
    shutil.copy(REPOSITORY / ".dvc/config", root / ".dvc/config")
    shutil.copytree(REPOSITORY / ".dvc/plots", root / ".dvc/plots")
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def run(
    arguments: list[str], root: Path, timeout_s: float = 600, **environment_variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a Python module of the test environment in a workspace; the result holds its merged output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=root,
        env=os.environ | {"PATH": path, "PREFECT_HOME": str(root / ".dwell/prefect")} | environment_variables,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip


def lock(root: Path) -> dict[str, Any]:
    """Return what DVC wrote down of a workspace's stages."""
    return yaml.safe_load((root / "dvc.lock").read_text())


def dwell(root: Path, *arguments: str, status: int = 0) -> str:
    """Give a `dwell` command in this process, which has imported what each new one imports anew; return what it prints.

    Raises:
        AssertionError: if it ends with another exit status.
    """
    printed, ended = io.StringIO(), 0
    with (
        contextlib.chdir(root),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        mock.patch.object(sys, "argv", ["dwell", *arguments]),
    ):
        try:
            cli.main()
        except SystemExit as end:
            ended = int(end.code or 0)
    assert ended == status, printed.getvalue()[-3000:]
    return printed.getvalue()
