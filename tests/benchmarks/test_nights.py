"""A small simulated night per rho, by the project's own stages, and the tables made of it."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.debias.nights import DIAL, RECIPES, RHOS, SHOWN, measured, params, run
from benchmarks.parts.part import Options, Table
from tasks.core.files import read_json
from tasks.core.layout import Workspace
from tasks.trade_off.trade_off import GRID

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def tables(scratch: Path) -> list[Table]:
    return run(Options(Path("no data"), seeds=(0,), scratch=scratch, quick=True))


def test_worlds_differ_in_rho_and_seed_alone() -> None:
    first, second = params(0.0, 1, quick=True), params(0.5, 2, quick=True)
    worlds = [settings.sources["simulator"].model_dump() for settings in (first, second)]
    assert {name for name in worlds[0] if worlds[0][name] != worlds[1][name]} == {"rho", "seed"}
    assert first.recipes == second.recipes


def test_a_table_and_a_curve_per_rho(tables: list[Table]) -> None:
    assert len(tables) == 2 * len(RHOS)
    for table, curve in zip(tables[::2], tables[1::2], strict=True):
        assert [row[0] for row in table.rows] == list(RECIPES)
        assert [row[0] for row in curve.rows] == [f"{t:g}" for t in GRID]
        for shown in (table, curve):
            assert all(len(row) == len(shown.columns) for row in shown.rows)


def test_cells_are_what_the_stages_wrote(tables: list[Table], scratch: Path) -> None:
    workspace = Workspace(scratch / "nights/rho0-0")
    found = measured(workspace)
    for row in tables[0].rows:
        for (exposure, metric), cell in zip(SHOWN, row[1:], strict=True):
            assert cell.startswith(f"{found[row[0]][exposure][metric]:.4f}")
    document = read_json(workspace.oracle / "naive.json")
    assert found["naive"]["truth"]["xauc"] == document["truth"]["metrics"]["xauc"]["value"]
    assert (workspace.predictions(DIAL) / "trade_off.json").is_file()
    assert not (workspace.predictions("naive") / "trade_off.json").exists()


def test_shared_noise_lifts_what_is_logged_above_the_truth(tables: list[Table], scratch: Path) -> None:
    """Under rho = .5 predictions made from the log promise more seconds than uniform exposure gives."""
    promised = {
        rho: measured(Workspace(scratch / f"nights/rho{rho:g}-0"))["naive"]["truth"]["tre_signed"] for rho in RHOS
    }
    assert np.isfinite(list(promised.values())).all()
    assert promised[0.5] > promised[0.0] + 0.05
