"""The benchmark of compressed tables: codes of few bits are what they say, and all of it runs on a small simulated night."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.efficiency.compression import run
from benchmarks.efficiency.low_bit import Int2Row, Int4Row, Int6Row, LowBitRow, beside_single_precision
from benchmarks.parts.part import Options
from models.compression.formats import FORMATS
from models.compression.table import CompressedTable, StoredTable


@pytest.mark.parametrize("form", [Int2Row(), Int4Row(), Int6Row()], ids=lambda form: form.kind)
def test_codes_fit_their_bits_and_an_error_is_half_a_step(form: LowBitRow) -> None:
    weight_ND = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    format_N = np.arange(500, dtype=np.uint8) % 2
    stored = StoredTable.of(weight_ND, format_N, beside_single_precision(form))
    codes, scales = (stored.arrays[f"{form.kind}.{name}"] for name in ("codes", "scales"))
    assert np.unique(codes).size == 2 * form.largest_code + 1 <= 2**form.bits
    read_ND = CompressedTable(stored).rows(torch.arange(500)).numpy()
    assert np.array_equal(read_ND[1::2], weight_ND[1::2])
    assert (np.abs(read_ND - weight_ND)[::2] <= scales.astype(np.float32) * 0.5001).all()
    assert form.row_bytes(16) == 2 * form.bits + 2


def test_no_recipe_can_ask_for_them() -> None:
    assert not {"int2_row", "int4_row", "int6_row"} & set(FORMATS)


@pytest.mark.slow
def test_a_quick_run_measures_every_sort_of_arm(tmp_path: Path) -> None:
    sizes, metrics, planted, videos, users, halves, reading = run(Options(Path("no data"), (0,), tmp_path, quick=True))
    assert [(row[0], row[4]) for row in sizes.rows] == [("fp16", "yes"), ("int8_row", "yes"), ("mixed", "yes")]
    moved = {name: np.array(arm["xauc"]) - metrics.numbers["none"]["xauc"] for name, arm in metrics.numbers.items()}
    assert np.abs(moved["int8_row"]).max() < np.abs(moved["2 bits"]).max()
    assert set(planted.numbers) == {"none", "int8_row", "2 bits"}
    assert [row[1] for row in halves.rows] == ["high priority first"]
    assert videos.columns[3:] == users.columns[3:] == ["int8_row", "mixed", "2 bits"]
    mib = {row[0]: float(row[1]) for row in reading.rows}
    assert mib["int8_row"] < mib["mixed"] < mib["fp16"] < mib["fp32"]
