import numpy as np

from tasks.train.order import shard_visits


def rows(num_rows: int, shard_rows: int, seed: int, epoch: int) -> list[int]:
    return [int(v.begin + i) for v in shard_visits(num_rows, shard_rows, seed, epoch) for i in v.order]


def test_every_row_is_visited_once_shard_by_shard() -> None:
    visited = rows(1000, 300, seed=0, epoch=0)
    assert sorted(visited) == list(range(1000))
    shards = np.array(visited) // 300
    assert (np.diff(shards) != 0).sum() == 3


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    assert rows(1000, 300, 0, 0) == rows(1000, 300, 0, 0)
    assert rows(1000, 300, 0, 0) != rows(1000, 300, 1, 0)
    assert rows(1000, 300, 0, 0) != rows(1000, 300, 0, 1)


def test_shards_know_how_many_rows_come_before_them() -> None:
    starts = [(v.start, v.end - v.begin) for v in shard_visits(1000, 300, 3, 2)]
    assert [start for start, _ in starts] == np.cumsum([0] + [size for _, size in starts[:-1]]).tolist()
