"""Trees read columns on disk a part at a time, and are those of the matrix as a whole."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.table.training_table import LEARNED, TrainingTable
from tasks.train.labels import watch_labels
from tasks.train.trees import boosting
from tasks.train.trees.boosting import TreeTrainer
from tasks.train.trees.columns import TreeColumns
from tasks.train.trees.config import TreesRecipe
from tasks.train.trees.rows import TreeRows

RECIPE = TreesRecipe(max_rounds=8, num_leaves=7, min_data_in_leaf=10)


@pytest.fixture(scope="module")
def opened(table: Path) -> TrainingTable:
    return TrainingTable.open(table)


@pytest.fixture(scope="module")
def columns(opened: TrainingTable) -> TreeColumns:
    return TreeColumns.of(opened.schema, RECIPE.max_categories)


def test_parts_and_single_rows_are_those_of_the_matrix(
    opened: TrainingTable, columns: TreeColumns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TreeRows, "batch_size", 100)
    whole = columns.matrix(opened.columns("fit"))
    kept = np.linspace(0, len(whole) - 1, 333).astype(np.int64)
    for rows, expected in (
        (TreeRows(opened.split("fit"), columns, slice(None)), whole),
        (TreeRows(opened.split("fit"), columns, kept), whole[kept]),
    ):
        assert len(rows) == len(expected)
        np.testing.assert_array_equal(rows[90:210], expected[90:210])
        for place in (0, 99, 100, 201, len(expected) - 1):
            np.testing.assert_array_equal(rows[place], expected[place])


def test_rows_binned_a_part_at_a_time_give_the_trees_of_the_matrix(
    opened: TrainingTable, columns: TreeColumns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fewer rows sampled than there are, which is when LightGBM is given parts."""
    monkeypatch.setattr(boosting, "SAMPLED_ROWS", 500)
    monkeypatch.setattr(TreeRows, "batch_size", 300)
    watch_s = {split: watch_labels(opened, split).watch_s for split in LEARNED}
    assert len(watch_s["fit"]) > 1_000

    def trees(fit: Any, validation: Any) -> str:
        trainer = TreeTrainer(fit, validation, columns.categorical, RECIPE, threads=1)
        fitted = trainer.train("regression", watch_s["fit"], watch_s["validation"], seed=0)
        return str(fitted.booster.model_to_string())

    rows = {split: TreeRows(opened.split(split), columns, slice(None)) for split in LEARNED}
    matrices = {split: columns.matrix(opened.columns(split)) for split in LEARNED}
    in_parts = trees(rows["fit"], rows["validation"])
    assert in_parts == trees(matrices["fit"], matrices["validation"])
    assert in_parts != trees(matrices["fit"][::-1], matrices["validation"])
