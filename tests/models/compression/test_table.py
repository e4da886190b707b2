from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.batch import Batch
from models.component import default_of
from models.compression import COMPRESSIONS, CompressionConfig
from models.compression.formats import FORMATS
from models.compression.index import directory, directory_bytes, places
from models.compression.placed import compress, compressed_tables, place
from models.compression.table import CompressedTable, StoredTable
from models.encoders.base import packed_tables
from models.ranker import Ranker
from models.serving import export_ranker, history_tensors

RECIPE = {
    "encoder": {"kind": "packed", "embedding_dim": 8, "history": {"kind": "pooled"}},
    "tasks": {"watch_time": {}, "skip": {}},
}
SAVED = {  # shares int8/fp16/fp32 -> width -> saving without a directory
    (1.0, 0.0): {8: 0.688, 16: 0.719, 32: 0.734, 64: 0.742},
    (0.9, 0.08): {8: 0.659, 16: 0.687, 32: 0.701, 64: 0.708},
    (0.8, 0.15): {8: 0.625, 16: 0.650, 32: 0.662, 64: 0.669},
    (0.7, 0.2): {8: 0.581, 16: 0.603, 32: 0.614, 64: 0.620},
}


def mixed(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, rows).astype(np.uint8)


def drawn(rows: int, width: int = 8) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(rows, width)).astype(np.float32)


@pytest.mark.parametrize("rows", [1, 31, 32, 33, 1000])
@pytest.mark.parametrize("kinds", [(0,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_the_directory_counts_as_a_loop_does(rows: int, kinds: tuple[int, ...]) -> None:
    format_N = np.random.default_rng(rows).choice(kinds, rows).astype(np.uint8)
    arrays = directory(format_N)
    kind_N, place_N = places({name: torch.from_numpy(values) for name, values in arrays.items()}, torch.arange(rows))
    seen = [0, 0, 0]
    for row, kind in enumerate(format_N.tolist()):
        assert (int(kind_N[row]), int(place_N[row])) == (kind, seen[kind])
        seen[kind] += 1
    assert sum(values.nbytes for values in arrays.values()) == directory_bytes(rows)


def test_every_row_is_read_from_its_own_format() -> None:
    weight_ND, format_N = drawn(1000), mixed(1000)
    read_ND = CompressedTable(StoredTable.of(weight_ND, format_N)).rows(torch.arange(1000)).numpy()
    for number in range(3):
        alone = StoredTable.of(weight_ND, np.full(1000, number, dtype=np.uint8))
        expected_ND = CompressedTable(alone).rows(torch.arange(1000)).numpy()
        assert np.array_equal(read_ND[format_N == number], expected_ND[format_N == number])
    assert np.array_equal(read_ND[format_N == 2], weight_ND[format_N == 2])
    assert not np.array_equal(read_ND, weight_ND)


@pytest.mark.parametrize("formats", [np.zeros(1000, dtype=np.uint8), np.ones(1000, dtype=np.uint8), mixed(1000)])
@pytest.mark.parametrize("row", [-1, 1000, 1023, 1024])
def test_what_is_no_row_is_refused(formats: np.ndarray, row: int) -> None:
    table = CompressedTable(StoredTable.of(drawn(1000), formats))
    with pytest.raises(IndexError, match="out of range"):
        table.rows(torch.tensor([0, row]))


def test_rows_keep_the_shape_of_the_ids() -> None:
    table = CompressedTable(StoredTable.of(drawn(50), mixed(50)))
    assert table.rows(torch.zeros(3, 4, 2, dtype=torch.int64)).shape == (3, 4, 2, 8)
    assert table.rows(torch.zeros(0, 5, dtype=torch.int64)).shape == (0, 5, 8)


@pytest.mark.parametrize("shares", SAVED)
def test_bytes_by_share_and_width_are_the_published_table(shares: tuple[float, float]) -> None:
    ends = np.cumsum([*shares, 1 - sum(shares)]) * 1000
    format_N = np.searchsorted(np.rint(ends), np.arange(1000), side="right").astype(np.uint8)
    for width, saved in SAVED[shares].items():
        stored = StoredTable.of(drawn(1000, width), format_N)
        assert 1 - sum(stored.row_bytes.values()) / (4 * width * 1000) == pytest.approx(saved, abs=1e-3)
        arrays = {name: values for name, values in stored.arrays.items() if not name.startswith("directory.")}
        assert sum(stored.row_bytes.values()) == sum(values.nbytes for values in arrays.values())


def test_blocks_follow_one_another() -> None:
    stored = StoredTable.of(drawn(6), np.array([2, 0, 2, 1, 0, 0], dtype=np.uint8))
    assert stored.rows == {"int8_row": 3, "fp16": 1, "fp32": 2}
    assert stored.offsets == {"int8_row": 0, "fp16": 3, "fp32": 4}
    assert stored.kind == "mixed"
    assert StoredTable.of(drawn(6), np.full(6, 2, dtype=np.uint8)).kind == "fp32"


def int8_ranker(ranker: Callable[..., Ranker]) -> Ranker:
    config: CompressionConfig = default_of(COMPRESSIONS, "int8_row")
    built = ranker(RECIPE).eval()
    compress(built, COMPRESSIONS["int8_row"](config), None)
    return built


def test_a_compressed_ranker_predicts_from_rounded_rows_alone(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    """Equal to the ranker whose embeddings were overwritten by the rounded rows, and not to the one that was fitted."""
    master, compressed, overwritten = ranker(RECIPE).eval(), int8_ranker(ranker), ranker(RECIPE).eval()
    ((name, table),) = compressed_tables(compressed).items()
    with torch.no_grad():
        weight = packed_tables(overwritten)[name].weight
        weight.copy_(table.rows(torch.arange(len(weight))))
    rows = batch(16)
    assert torch.equal(compressed.predict(rows).score_B, overwritten.predict(rows).score_B)
    assert not torch.equal(compressed.predict(rows).score_B, master.predict(rows).score_B)
    assert not packed_tables(compressed)
    assert set(compressed.state_dict()) == set(master.state_dict()) - {f"{name}.weight"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["int8_row", "fp16", "mixed"])
def test_an_exported_program_reads_the_same_rows(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch], kind: str
) -> None:
    built = ranker(RECIPE).eval()
    ((name, table),) = packed_tables(built).items()
    rows = table.num_embeddings
    formats = mixed(rows) if kind == "mixed" else np.full(rows, list(FORMATS).index(kind), dtype=np.uint8)
    place(built, {name: StoredTable.of(table.weight.detach().numpy(), formats)})
    program = export_ranker(built, batch(4)).module()
    for size in (1, 5, 33):
        asked = batch(size, seed=size)
        found = program(asked.ids_BF, asked.dense_BN, asked.duration_B, history_tensors(built, asked))
        assert torch.equal(found["score"], built.predict(asked).score_B)


def test_tables_of_another_shape_are_refused(ranker: Callable[..., Ranker]) -> None:
    stored = StoredTable.of(drawn(20), mixed(20))
    with pytest.raises(ValueError, match=r"the recipe has tables of .*21, 8.* and there are .*20, 8"):
        place(ranker(RECIPE), {"encoder.table": stored})
    with pytest.raises(ValueError, match="and there are"):
        place(ranker(RECIPE), {})


def test_a_table_that_cannot_be_stored_is_named(ranker: Callable[..., Ranker]) -> None:
    built = ranker(RECIPE)
    with torch.no_grad():
        packed_tables(built)["encoder.table"].weight[3, 0] = 1e6
    with pytest.raises(ValueError, match=r"encoder\.table: fp16 holds numbers up to 65504"):
        compress(built, COMPRESSIONS["fp16"](default_of(COMPRESSIONS, "fp16")), None)
