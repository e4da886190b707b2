"""The benchmark of what models read: noise that is planted is a field of its own, and every part runs."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.efficiency.fields import run
from benchmarks.efficiency.night import NOISE, planted_night
from benchmarks.parts.part import Options
from tasks.core.layout import Workspace
from tasks.table.training_table import SPLITS, TrainingTable

pytestmark = pytest.mark.slow


def test_it_runs_on_a_night_with_noise_in_it(tmp_path: Path) -> None:
    agreement, noise, pruning = run(Options(tmp_path, (0,), tmp_path / "scratch", quick=True))
    night = planted_night(tmp_path / "scratch/night", quick=True)
    before, after = (TrainingTable.open(path) for path in (Workspace(tmp_path / "scratch/night").table, night.table))
    assert after.schema.fields == (*before.schema.fields, (NOISE[0], 1001))
    assert after.schema.dense_names == (*before.schema.dense_names, NOISE[1])
    for split in SPLITS:
        ids, dense = after.column(split, "ids"), after.column(split, "dense")
        assert (ids[:, :-1] == before.column(split, "ids")).all()
        assert (dense[:, :-1] == before.column(split, "dense")).all()
        assert ids[:, -1].min() > before.schema.num_rows and ids[:, -1].max() < after.schema.num_rows
        assert abs(np.corrcoef(ids[:, -1], after.column(split, "watch_s"))[0, 1]) < 0.1
    assert agreement.rows[0][0] == "watch_time" and len(noise.rows) == 2
    assert [row[0] for row in pruning.rows] == ["none", "lowest third by F-Permutation", "a third drawn at random"]
