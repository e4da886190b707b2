"""The benchmark of what models read: the noise that is planted is a field and a dense feature of its own."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.efficiency.night import NOISE, plant
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.training_table import SPLITS, TrainingTable
from tests.table.small_night import DAYS, write_features


@pytest.mark.slow
def test_noise_is_the_last_field_and_the_last_dense_feature_and_nothing_else_changes(tmp_path: Path) -> None:
    build_table(write_features(tmp_path / "night", rows_per_day=250), TableConfig(), DAYS, tmp_path / "table")
    plant(tmp_path / "table", tmp_path / "planted")
    before, after = (TrainingTable.open(tmp_path / name) for name in ("table", "planted"))
    assert after.schema.fields == (*before.schema.fields, (NOISE[0], 1001))
    assert after.schema.dense_names == (*before.schema.dense_names, NOISE[1])
    assert set(after.metadata.hashes.values()).isdisjoint(before.metadata.hashes.values())
    for split in SPLITS:
        ids, dense = after.column(split, "ids"), after.column(split, "dense")
        assert (ids[:, :-1] == before.column(split, "ids")).all()
        assert (dense[:, :-1] == before.column(split, "dense")).all()
        assert ids[:, -1].min() > before.schema.num_rows and ids[:, -1].max() < after.schema.num_rows
        assert abs(np.corrcoef(dense[:, -1], after.column(split, "watch_s"))[0, 1]) < 0.2
