"""The opened table says what its stage wrote, and refuses a folder that holds none."""

from pathlib import Path

import numpy as np
import pytest

from tasks.core.errors import ContractError
from tasks.core.files import read_json, write_json
from tasks.table.build import build_table
from tasks.table.columns import open_columns
from tasks.table.config import TableConfig
from tasks.table.training_table import TrainingTable
from tasks.train.labels import watch_labels
from tests.table.small_night import DAYS


@pytest.mark.parametrize("truncate", [True, False])
def test_labels_say_what_the_configuration_says(features: Path, tmp_path: Path, truncate: bool) -> None:
    build_table(features, TableConfig(truncate_watch=truncate), DAYS, tmp_path / "t")
    labels, columns = watch_labels(TrainingTable.open(tmp_path / "t"), "fit"), open_columns(tmp_path / "t/fit")
    assert labels.truncated == truncate
    assert (labels.watch_s <= labels.duration_s).all() == truncate
    np.testing.assert_array_equal(labels.watch_s.astype(np.float32), columns["watch_s"])
    np.testing.assert_array_equal(labels.duration_s.astype(np.float32), columns["duration_s"])


def test_what_is_opened_writes_the_same_bytes(features: Path, tmp_path: Path) -> None:
    build_table(features, TableConfig(unobserved_per_impression=0.5), DAYS, tmp_path / "t")
    opened = TrainingTable.open(tmp_path / "t")
    before = (tmp_path / "t/table.json").read_bytes()
    opened.metadata.write(tmp_path / "t")
    assert (tmp_path / "t/table.json").read_bytes() == before
    assert opened.schema == opened.preprocessor.schema
    assert opened.validation_day == DAYS.validation
    drawn = opened.metadata.populations["fit"]
    assert drawn.unobserved == drawn.pairs - drawn.observed > 0


def test_no_table_and_another_layout_are_refused(features: Path, tmp_path: Path) -> None:
    assert not TrainingTable.stands_in(tmp_path / "t")
    with pytest.raises(ContractError, match=r"t holds no table\.json: run `dwell prepare` and `dvc repro table`"):
        TrainingTable.open(tmp_path / "t")
    build_table(features, TableConfig(), DAYS, tmp_path / "t")
    about = read_json(tmp_path / "t/table.json")
    write_json(tmp_path / "t/table.json", {name: value for name, value in about.items() if name != "hashes"})
    with pytest.raises(ContractError, match=r"table\.json is not what this code writes: build the table again"):
        TrainingTable.open(tmp_path / "t")
