"""Tables whose rows hold what their class keeps: read back as they were, at the bytes of the formula."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.batch import Batch
from models.component import default_of
from models.compression import COMPRESSIONS
from models.compression.formats import FORMATS
from models.compression.mixed_dim import MixedDimTable
from models.compression.placed import compress
from models.compression.table import CompressedTable, StoredTable
from models.encoders.grouped import grouped_tables
from models.ranker import Ranker
from models.serving import export_ranker, history_tensors

D, CLASSES = 8, 5
KEPT_CD = np.array([[True] * D, [False] * D, *(np.random.default_rng(8).random((CLASSES - 2, D)) < 0.4)])


def drawn(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return weights, 0 where they are dropped, and the class of every row."""
    random = np.random.default_rng(rows)
    class_N = random.integers(0, CLASSES, rows).astype(np.uint8)
    class_N[0] = 0
    return random.normal(size=(rows, D)).astype(np.float32) * KEPT_CD[class_N], class_N


@pytest.mark.parametrize("rows", [1, 31, 32, 33, 500])
@pytest.mark.parametrize("kind", FORMATS)
def test_rows_are_read_as_the_whole_table_would_have_them(rows: int, kind: str) -> None:
    weight_ND, class_N = drawn(rows)
    format_N = np.full(rows, list(FORMATS).index(kind), dtype=np.uint8)
    whole = CompressedTable(StoredTable.of(weight_ND, format_N)).rows(torch.arange(rows))
    table = CompressedTable(MixedDimTable.grouped(weight_ND, kind, class_N, KEPT_CD))
    assert torch.equal(table.rows(torch.arange(rows)), whole)
    ids = torch.randint(0, rows, (3, 2), generator=torch.Generator().manual_seed(0))
    assert torch.equal(table.rows(ids), whole[ids])
    if kind == "fp32":
        assert np.array_equal(whole.numpy(), weight_ND)


@pytest.mark.parametrize("last", range(CLASSES))
@pytest.mark.parametrize("rows", [1, 2, 33, 64])
def test_rows_at_the_end_are_read_though_few_numbers_stand_behind_them(rows: int, last: int) -> None:
    weight_ND, class_N = drawn(rows + 1)
    class_N[1:][-2:] = last
    weight_ND = np.where(KEPT_CD[class_N], weight_ND + 1, 0).astype(np.float32)
    for first in (0, rows):  # of the last row alone there may be fewer numbers than a row has
        if KEPT_CD[class_N[first:]].any():
            stored = MixedDimTable.grouped(weight_ND[first:], "fp32", class_N[first:], KEPT_CD)
            found = CompressedTable(stored).rows(torch.arange(rows + 1 - first))
            assert found.numpy().tobytes() == weight_ND[first:].tobytes()
            assert set(stored.derived) == {"directory.within"} and "directory.within" not in stored.arrays


@pytest.mark.parametrize(("kind", "of_number", "of_row"), [("fp32", 4, 0), ("fp16", 2, 0), ("int8_row", 1, 2)])
def test_bytes_are_those_of_kept_numbers_and_lists(kind: str, of_number: int, of_row: int) -> None:
    weight_ND, class_N = drawn(333)
    stored = MixedDimTable.grouped(weight_ND, kind, class_N, KEPT_CD)
    kept = sum(int((class_N == number).sum()) * int(KEPT_CD[number].sum()) for number in range(CLASSES))
    assert stored.kept == kept == np.count_nonzero(KEPT_CD[class_N])
    assert stored.row_bytes == {kind: of_number * kept + of_row * 333}
    assert stored.directory_bytes == 333 + 8 * 11 + 2 * CLASSES * D
    total = sum(stored.row_bytes.values()) + stored.directory_bytes
    assert total == sum(values.nbytes for values in stored.arrays.values())


def test_what_was_trained_and_is_dropped_is_refused() -> None:
    weight_ND, class_N = drawn(50)
    trained_ND = weight_ND.copy()
    trained_ND[np.flatnonzero(class_N == 1)[0], 3] = 0.1
    with pytest.raises(ValueError, match="1 numbers that their groups drop are not 0: they were trained"):
        MixedDimTable.grouped(trained_ND, "fp32", class_N, KEPT_CD)
    with pytest.raises(ValueError, match="there is nothing to store"):
        MixedDimTable.grouped(np.zeros((3, D), dtype=np.float32), "fp32", np.ones(3, dtype=np.uint8), KEPT_CD)


@pytest.mark.parametrize("row", [-1, 50, 63, 64])
def test_what_is_no_row_is_refused(row: int) -> None:
    weight_ND, class_N = drawn(50)
    table = CompressedTable(MixedDimTable.grouped(weight_ND, "fp32", class_N, KEPT_CD))
    with pytest.raises(IndexError, match="out of range"):
        table.rows(torch.tensor([0, row]))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["none", "int8_row"])
def test_an_exported_program_reads_the_same_rows(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch], kind: str
) -> None:
    widths = {"video_id": {"bounds": [2.0], "kept": [[1], [0, 2, 3]]}, "user_id": {"bounds": [], "kept": [[0, 1]]}}
    encoder = {"kind": "packed", "embedding_dim": 4, "history": {"kind": "pooled"}, "widths": widths}
    built = ranker({"encoder": encoder, "tasks": {"watch_time": {}, "skip": {}}}).eval()
    (table,) = grouped_tables(built).values()
    table.divide(np.arange(table.num_embeddings) % 4.0)
    asked = batch(33)
    before = built.predict(asked).score_B
    compress(built, COMPRESSIONS[kind](default_of(COMPRESSIONS, kind)), None)
    found = built.predict(asked).score_B
    assert torch.equal(found, before) == (kind == "none")
    program = export_ranker(built, batch(4)).module()
    said = program(asked.ids_BF, asked.dense_BN, asked.duration_B, history_tensors(built, asked))
    assert torch.equal(said["score"], found)
