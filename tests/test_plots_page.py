"""`dvc plots show` by the page of this repository: nothing from the network, a line per seed and revision, a chart per table."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.browser import dump
from tests.flows.small_night import run

REPOSITORY = Path(__file__).resolve().parents[1]
CURVES = "seed,epoch,validation_xauc\n0,1,0.60\n0,2,0.64\n1,1,0.61\n1,2,0.63\n2,1,0.59\n2,2,0.65\n"
RELIABILITY = "table,seed,predicted,observed\nskip,0,0.1,0.2\nskip,0,0.3,0.2\nwatch_mean,0,5,4\nwatch_mean,0,9,8\n"


@pytest.mark.slow
def test_plots_need_no_network_and_draw_a_line_per_seed(browser: str, tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(REPOSITORY / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    (root / "curves.csv").write_text(CURVES)
    (root / "reliability.csv").write_text(RELIABILITY)
    drawn = [
        {"curves": {"x": "epoch", "y": {"curves.csv": "validation_xauc"}, "title": "d2q"}},
        {"reliability": {"x": "predicted", "y": {"reliability.csv": "observed"}, "title": "bins"}},
    ]
    (root / "dvc.yaml").write_text(yaml.safe_dump({"plots": drawn}))
    done = run(["dvc", "plots", "show", "--out", "page"], root)
    assert done.returncode == 0, done.stdout[-2000:]
    page = root / "page/index.html"
    assert re.findall(r"""(?:src|href)=["'](?!data:)""", page.read_text()) == []
    dom = dump(browser, page, tmp_path / "profile")
    assert re.findall(r"<figcaption>(.*?)</figcaption>", dom) == ["d2q", "bins: skip", "bins: watch mean"]
    assert len(re.findall(r"<polyline ", dom)) == 3 + 1 + 1
    assert [f"seed {seed}" in dom for seed in (0, 1, 2, 3)] == [True, True, True, False]
