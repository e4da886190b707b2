"""The whole benchmark on a planted log: what can be learned is, and the habit is told from an honest stop."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.fields.fit import FieldTraining
from benchmarks.kuaivideo_x1.comparison import METHODS, tables
from benchmarks.kuaivideo_x1.from_kuairand import with_lists
from benchmarks.kuaivideo_x1.ladder import LADDER
from benchmarks.kuaivideo_x1.rows import COLUMNS, read
from benchmarks.parts.part import Options


@pytest.mark.slow
def test_items_that_are_clicked_by_all_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    item = rng.integers(0, 20, 1500)
    log = pl.DataFrame({"timestamp": range(1500), "user_id": rng.integers(0, 40, 1500), "item_id": item})
    clicked = (rng.random(1500) < np.where(item < 10, 0.9, 0.1)).astype(int)
    rows = with_lists(log.with_columns(is_click=pl.Series(clicked), is_like=pl.lit(0), is_follow=pl.lit(0)))
    rows.select(COLUMNS).head(1200).write_csv(tmp_path / "train.csv")
    rows.select(COLUMNS).tail(300).write_csv(tmp_path / "test.csv")
    training = FieldTraining(factors=4, batch_size=100, learning_rate=0.02, max_epochs=6)
    options = Options(tmp_path, (0,), tmp_path)
    found, published = tables("planted", read(tmp_path), options, training, ["Planted."])
    assert [row[0] for row in found.rows] == list(METHODS)
    auc = {name: numbers["auc"][0] for name, numbers in found.numbers.items()}
    chance, rate, machine, habit = auc.values()
    assert abs(chance - 0.5) < 0.1
    assert min(rate, machine, habit) > 0.85
    assert len(published.rows) == len(LADDER)
