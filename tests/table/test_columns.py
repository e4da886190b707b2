from pathlib import Path

import numpy as np
import pytest

from tasks.table.columns import ColumnsWriter, open_columns


def test_chunks_come_back_as_one_array(tmp_path: Path) -> None:
    ids = np.arange(3000, dtype=np.int32).reshape(-1, 3)
    with ColumnsWriter(tmp_path) as columns:
        for begin in range(0, 1000, 7):
            columns.append({"ids": ids[begin : begin + 7], "x": ids[begin : begin + 7, 0].astype(np.float32)})
    found = open_columns(tmp_path)
    assert set(found) == {"ids", "x"}
    np.testing.assert_array_equal(found["ids"], ids)
    assert isinstance(found["ids"], np.memmap)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), ids[:, 0])


def test_a_column_without_rows_can_be_opened(tmp_path: Path) -> None:
    with ColumnsWriter(tmp_path) as columns:
        columns.append({"ids": np.zeros((0, 3), dtype=np.int32)})
    assert open_columns(tmp_path)["ids"].shape == (0, 3)


def test_a_chunk_of_another_type_is_refused(tmp_path: Path) -> None:
    with ColumnsWriter(tmp_path) as columns:
        columns.append({"x": np.zeros(2, dtype=np.int32)})
        with pytest.raises(ValueError, match="int32"):
            columns.append({"x": np.zeros(2, dtype=np.int64)})
