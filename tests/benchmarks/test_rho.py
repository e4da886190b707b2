"""The correlations that small nights learn, by the project's own stages."""

from pathlib import Path

import pytest

from benchmarks.debias.nights import RHOS
from benchmarks.debias.rho import OTHER_WORLDS, RECIPES, run
from benchmarks.parts.part import Options

pytestmark = pytest.mark.slow


def test_every_recipe_learns_a_correlation_in_every_world(tmp_path: Path) -> None:
    (table,) = run(Options(Path("no data"), seeds=(0,), scratch=tmp_path, quick=True))
    assert [row[:2] for row in table.rows] == [[f"{RHOS[-1]:g}", name] for name in (*RECIPES, next(iter(OTHER_WORLDS)))]
    assert all(len(row) == len(table.columns) for row in table.rows)
    for nights in table.numbers.values():
        learned = {name: nights[0][name]["learned"] for name in RECIPES}
        assert all(-1 < value < 1 for value in learned.values())
        assert abs(learned["as_it_happens"]) > abs(learned["as_one"]) > 0, "kappa stepped faster"
