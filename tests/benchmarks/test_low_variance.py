"""The comparison of doubly robust losses runs, and its verdict is the rule that it states."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.debias.low_variance import METHODS, QUICK, run, verdict
from benchmarks.debias.semi_synthetic import REGIMES, is_above
from benchmarks.parts.part import Options, Table


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def test_the_verdict_asks_for_the_whole_interval() -> None:
    """Methods that lose order, that lose less than the margin, that move the bias in every seed or in some."""
    draw = np.random.default_rng(0)
    seeds, noise = 5, 0.0002
    runs = {
        method.name: [
            {"xauc": 0.65 + noise * draw.normal(), "bias": 0.1, "tilt": 0.05 + noise * draw.normal()}
            for _ in range(seeds)
        ]
        for method in METHODS
    }
    for seed in range(seeds):
        runs["DR-JL"][seed] |= {"xauc": 0.63, "bias": -0.02 + 0.01 * draw.normal(), "tilt": 0.01}
        runs["TMLE"][seed] |= {"xauc": 0.649 + noise * draw.normal(), "bias": (0.0, 0.4, 0.0, 0.3, 0.0)[seed]}
    found = {row[0]: row[1:] for row in verdict(REGIMES[1], Table("", [], [], numbers={"runs": runs})).rows}
    assert "naive" not in found
    said = {name: [cell.split()[0] for cell in cells] for name, cells in found.items()}
    assert said["DR-JL"] == ["no", "yes", "yes"]
    assert said["TMLE"] == ["yes", "no", "no"]
    assert said["IPS"] == ["yes", "no", "no"]


def test_one_run_decides_nothing() -> None:
    assert not is_above(np.array([1.0]), 0, 1)
    assert is_above(np.array([1.0, 1.1]), 0, 1)


@pytest.mark.slow
def test_the_quick_variant_runs(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    data = shared_data("KuaiRand-Pure").parent
    about, found = run(Options(data, seeds=(0,), scratch=tmp_path, quick=True))
    assert [row[0] for row in found.rows] == list(QUICK)
    assert all(len(row) == len(found.columns) for row in found.rows)
    assert len(about.rows) == 2 and not any("yes" in cell for row in about.rows for cell in row)
    assert len({row[1] for row in found.rows}) == 3, "no two methods are the same fit"
