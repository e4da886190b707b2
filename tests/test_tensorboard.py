"""Curves that TensorBoard reads are those that were written; skipped where the extra is not installed."""

from pathlib import Path

import pytest

from tasks.core.errors import ConfigError
from tasks.core.files import hash_tree
from tasks.tensorboard import write_tensorboard
from tasks.train.curves import FILE, write_curves

ROWS = [
    {
        "seed": seed,
        "epoch": epoch,
        "best": epoch < 3,
        "train_skip": 0.7 - epoch / 10 + seed,
        "validation_xauc": 0.5 + epoch / 100,
    }
    for seed in (0, 1)
    for epoch in (1, 2, 3)
]


@pytest.fixture
def plots(tmp_path: Path) -> Path:
    for recipe in ("d2q", "trees"):
        (tmp_path / "plots" / recipe).mkdir(parents=True)
        write_curves(tmp_path / "plots" / recipe / FILE, ROWS)
    return tmp_path / "plots"


def test_tensorboard_reads_the_curves_of_every_seed(plots: Path, tmp_path: Path) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="the extra tensorboard is not installed"
    )
    assert write_tensorboard(plots, tmp_path / "a") == ["d2q/seed0", "d2q/seed1", "trees/seed0", "trees/seed1"]
    write_tensorboard(plots, tmp_path / "b")
    assert hash_tree(tmp_path / "a") == hash_tree(tmp_path / "b")
    for seed in (0, 1):
        run = reader.EventAccumulator(str(tmp_path / f"a/trees/seed{seed}")).Reload()
        assert sorted(run.Tags()["scalars"]) == ["train_skip", "validation_xauc"]
        for name in ("train_skip", "validation_xauc"):
            found = [(scalar.step, scalar.value) for scalar in run.Scalars(name)]
            assert found == [(row["epoch"], pytest.approx(row[name], rel=1e-6)) for row in ROWS if row["seed"] == seed]


def test_without_the_extra_and_without_curves_one_line_says_so(plots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"install the extra, pip install 'dwell\[tensorboard\]'"):
        write_tensorboard(plots, plots / "out")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    with pytest.raises(ConfigError, match=r"holds no curves.csv: the stage evaluate writes one"):
        write_tensorboard(plots / "d2q", plots / "out")
