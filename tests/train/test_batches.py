from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.core.files import read_json
from tasks.table.columns import open_columns
from tasks.train.batches import Split, join_batches
from tasks.train.order import shard_visits

COLUMNS = ("ids", "dense", "duration_s", "watch_s", "labels", "random")


@pytest.fixture
def split(table: Path) -> Split:
    return Split(table / "fit", tuple(read_json(table / "table.json")["tasks"]), COLUMNS, with_history=True)


def test_batches_are_the_rows_of_the_table_in_the_epochs_order(table: Path, split: Split) -> None:
    columns, stored = open_columns(table / "fit"), open_columns(table / "fit/history")
    order = np.concatenate([v.begin + v.order for v in shard_visits(split.num_rows, 400, 5, 1)])
    at = 0
    for batch in split.epoch(batch_size=128, shard_rows=400, seed=5, epoch=1):
        rows = order[at : at + len(batch)]
        np.testing.assert_array_equal(batch.ids_BF, columns["ids"][rows])
        np.testing.assert_array_equal(batch.dense_BN, columns["dense"][rows])
        np.testing.assert_array_equal(batch.watch_B, columns["watch_s"][rows])
        np.testing.assert_array_equal(batch.labels["skip"], columns["labels"][rows, split.tasks.index("skip")])
        np.testing.assert_array_equal(batch.random_B, columns["random"][rows])
        sequence = columns["history_index"][rows]
        assert batch.history is not None
        np.testing.assert_array_equal(batch.history.fields["video_id"], stored["video_id"][sequence])
        np.testing.assert_array_equal(batch.history.feedback_BL, stored["feedback"][sequence])
        np.testing.assert_array_equal(batch.history.mask_BL, stored["feedback"][sequence] > 0)
        at += len(batch)
    assert at == split.num_rows


@pytest.mark.parametrize("skip", [1, 3, 4, 7, 11])
def test_an_epoch_can_be_entered_anywhere(split: Split, skip: int) -> None:
    whole = list(split.epoch(128, 400, 0, 0))
    rest = list(split.epoch(128, 400, 0, 0, skip=skip))
    assert len(rest) == len(whole) - skip == split.order(128, 400, 0, 0).num_batches - skip
    for one, other in zip(rest, whole[skip:], strict=True):
        assert torch.equal(one.ids_BF, other.ids_BF)
        assert one.history is not None and other.history is not None
        assert torch.equal(one.history.fields["video_id"], other.history.fields["video_id"])


def test_rows_that_share_sequences_read_what_they_read_apart(split: Split) -> None:
    rows = next(iter(split.chunks(300)))
    apart, shared = rows.batch(20, 280), rows.batch(20, 280, shared=True)
    assert apart.history is not None and shared.history is not None and shared.history.sequence_B is not None
    assert len(shared.history.mask_BL) == len(np.unique(rows.columns["history_index"][20:280])) < 260
    index = torch.tensor([7, 250, 0])
    joined, whole = join_batches([shared, shared]), join_batches([apart, apart])
    for one, other in ((shared, apart), (shared.take(index), apart.take(index)), (joined, whole)):
        assert one.history is not None and other.history is not None
        spread = one.history.spread()
        assert spread.sequence_B is None and other.history.sequence_B is None
        for name, ids_BL in other.history.fields.items():
            assert torch.equal(spread.fields[name], ids_BL)
        for name in ("feedback_BL", "ratio_BL", "gap_BL", "mask_BL"):
            assert torch.equal(getattr(spread, name), getattr(other.history, name))


def test_one_shard_and_many_hold_the_same_rows(split: Split) -> None:
    def keys(shard_rows: int) -> list[tuple[float, ...]]:
        batches = split.epoch(128, shard_rows, 0, 0)
        return sorted(tuple(row.tolist()) for batch in batches for row in batch.dense_BN)

    assert keys(10**9) == keys(77)


def test_chunks_are_the_split_in_order(table: Path, split: Split) -> None:
    ids = np.concatenate([rows.columns["ids"] for rows in split.chunks(100)])
    np.testing.assert_array_equal(ids, open_columns(table / "fit")["ids"])
