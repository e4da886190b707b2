"""Lists stay together: never two days of a user, parts of at most 64 rows, every row once, the same order for the same seed."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import torch

from tasks.core.files import read_json
from tasks.table.columns import open_columns
from tasks.train.batches import Split
from tasks.train.lists import LONGEST, Lists, open_lists
from tasks.train.pairs import MOST, pairs, row_keys

COLUMNS = ("ids", "dense", "duration_s", "watch_s", "labels", "random")
ZONE = "Asia/Shanghai"


@pytest.fixture(scope="module")
def lists() -> Lists:
    """Lists of 1 to 150 rows, whose rows lie anywhere in the split."""
    draw = np.random.default_rng(0)
    key = np.repeat(np.arange(400), draw.integers(1, 12, 400))
    key = draw.permutation(np.concatenate([key, np.full(150, 400), np.full(65, 401)]))
    return Lists.of(key // 100, key)


def visited(
    lists: Lists, batch_size: int, shard_rows: int, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    order = lists.shuffled(batch_size, shard_rows, seed, epoch)
    rows = np.concatenate([visit.begin + visit.order for visit in order.visits])
    return rows, np.concatenate([visit.lists for visit in order.visits]), order.cuts


@pytest.mark.parametrize("shard_rows", [10**6, 300])
def test_every_row_comes_once_and_lists_lie_in_one_batch(lists: Lists, shard_rows: int) -> None:
    rows, part, cuts = visited(lists, 128, shard_rows, 0, 0)
    assert sorted(rows) == list(range(len(lists.row_B)))
    own = np.empty(len(rows), dtype=int)
    own[lists.row_B] = np.repeat(np.arange(len(lists.start_G) - 1), np.diff(lists.start_G))
    of_batch = np.repeat(np.arange(len(cuts) - 1), np.diff(cuts))
    for number in np.unique(part):
        inside = part == number
        assert inside.sum() <= LONGEST
        assert len(set(own[rows[inside]])) == 1
        assert len(set(of_batch[inside])) == 1
    assert np.diff(cuts).max() <= 128
    assert len(np.unique(part)) == 402 - 2 + 3 + 2, "150 rows make three parts, 65 two"
    sizes = np.bincount(part)
    assert sorted(sizes[np.isin(np.arange(len(sizes)), part[np.isin(own[rows], (400, 401))])]) == [32, 33, 50, 50, 50]


def test_the_order_depends_on_seed_and_epoch_alone(lists: Lists) -> None:
    orders = {key: visited(lists, 128, 300, *key)[0].tolist() for key in ((0, 0), (1, 0), (0, 1))}
    assert visited(lists, 128, 300, 0, 0)[0].tolist() == orders[0, 0]
    assert len({tuple(order) for order in orders.values()}) == 3


def test_a_batch_smaller_than_a_list_takes_parts_of_it(lists: Lists) -> None:
    assert np.diff(visited(lists, 8, 300, 0, 0)[2]).max() <= 8


def test_pairs_are_all_of_small_lists_and_64_of_large_ones() -> None:
    part = np.repeat([4, 7, 8, 11], [1, 3, 64, 12])
    found = pairs(part, row_keys(np.arange(80), 3, 1))
    assert (found[:, 0] < found[:, 1]).all()
    assert (part[found[:, 0]] == part[found[:, 1]]).all()
    assert len(np.unique(found, axis=0)) == len(found)
    assert [int((part[found[:, 0]] == number).sum()) for number in (4, 7, 8, 11)] == [0, 3, MOST, MOST]


def test_pairs_are_drawn_by_the_rows_not_by_their_order() -> None:
    rows, part = np.arange(500, 564), np.zeros(64, dtype=int)
    order = np.random.default_rng(0).permutation(64)
    one, other = pairs(part, row_keys(rows, 3, 1)), pairs(part, row_keys(rows[order], 3, 1))
    assert {frozenset(pair) for pair in rows[one].tolist()} == {frozenset(pair) for pair in rows[order][other].tolist()}
    again = pairs(part, row_keys(rows, 3, 2))
    assert one.tolist() != again.tolist()


@pytest.fixture
def split(table: Path) -> Split:
    tasks = tuple(read_json(table / "table.json")["tasks"])
    kept = open_lists(table / "fit", ZONE, by_scene=False)
    return Split(table / "fit", tasks, COLUMNS, with_history=True).keeping(kept)


def test_a_batch_says_which_rows_are_of_one_user_and_local_day(table: Path, split: Split) -> None:
    stored = open_columns(table / "fit")
    times = [dt.datetime.fromtimestamp(ms / 1000, ZoneInfo(ZONE)) for ms in stored["event_time_ms"].tolist()]
    of = list(zip(stored["user_id"].tolist(), [time.date() for time in times], strict=True))
    numbered = split.with_column("propensity", np.arange(split.num_rows))
    seen: set[tuple[int, dt.date]] = set()
    for batch in numbered.epoch(128, 400, 5, 1):
        assert batch.propensity_B is not None and batch.group_B is not None and batch.pair_P2 is not None
        keys = [of[row] for row in batch.propensity_B.tolist()]
        groups = [{keys[i] for i in torch.nonzero(batch.group_B == g)[:, 0].tolist()} for g in batch.group_B.unique()]
        assert all(len(group) == 1 for group in groups)
        mine = [next(iter(group)) for group in groups]
        assert not seen & set(mine), "a user's day lies in one batch"
        seen |= set(mine)
        assert (batch.group_B[batch.pair_P2[:, 0]] == batch.group_B[batch.pair_P2[:, 1]]).all()
    assert seen == set(of)


def test_lists_may_be_those_of_a_scene_in_a_day(table: Path) -> None:
    days, scenes = (open_lists(table / "fit", ZONE, by_scene=by_scene) for by_scene in (False, True))
    assert len(scenes.start_G) > len(days.start_G)
    scene = open_columns(table / "fit")["scene"][scenes.row_B]
    assert all(len(set(part)) == 1 for part in np.split(scene, scenes.start_G[1:-1]))


@pytest.mark.parametrize("skip", [1, 4, 9])
def test_an_epoch_can_be_entered_anywhere(split: Split, skip: int) -> None:
    whole, rest = list(split.epoch(128, 400, 0, 0)), list(split.epoch(128, 400, 0, 0, skip=skip))
    assert len(rest) == len(whole) - skip
    for one, other in zip(rest, whole[skip:], strict=True):
        assert torch.equal(one.dense_BN, other.dense_BN)
        assert torch.equal(one.group_B, other.group_B)
        assert torch.equal(one.pair_P2, other.pair_P2)
        assert torch.equal(one.history.fields["video_id"], other.history.fields["video_id"])
