import numpy as np
import pytest

from benchmarks.sequence.protocol.feedback import feedback_log
from benchmarks.sequence.protocol.padding import left_padded
from benchmarks.sequence.protocol.sampling import SequenceSampler, negatives
from benchmarks.sequence.protocol.split import SequenceSplit, split
from tests.benchmarks.sequence_protocol.conftest import impressions, written


def test_lines_are_padded_on_the_left_and_cut_on_the_left() -> None:
    value_T = np.arange(1, 11)
    lines = left_padded(value_T, np.array([0, 3, 9]), np.array([3, 6, 1]), max_length=4)
    assert lines.tolist() == [[0, 1, 2, 3], [6, 7, 8, 9], [0, 0, 0, 10]]
    assert left_padded(value_T, np.array([0, 9]), np.array([2, 1]), max_length=4).tolist() == [[1, 2], [0, 10]]


def test_batches_hold_what_is_learned_from_step_by_step() -> None:
    data = split(written("p1 s2 p3 p4 s5 p6 p7", "p10 p11", "p20"))
    (batch,) = SequenceSampler(data, batch_size=8, max_length=10).epoch(np.random.default_rng(0))
    longer, shorter = (int(np.flatnonzero(batch.item_BL[:, -1] == last)[0]) for last in (3, 10))
    assert batch.item_BL.shape == (2, 2)
    assert batch.item_BL[longer].tolist() == [1, 3]
    assert batch.positive_BL[longer].tolist() == [3, 4]
    assert batch.skip_BL[longer].tolist() == [2, 0]
    assert batch.item_BL[shorter].tolist() == [0, 10]
    assert batch.positive_BL[shorter].tolist() == [0, 11]
    assert (batch.negative_BL != 0).tolist() == (batch.positive_BL != 0).tolist()


def test_long_lines_keep_their_last_steps() -> None:
    data = split(written("p1 p2 s3 p4 p5 p6 p7 p8"))
    (batch,) = SequenceSampler(data, batch_size=8, max_length=3).epoch(np.random.default_rng(0))
    assert batch.item_BL.tolist() == [[2, 4, 5]]
    assert batch.positive_BL.tolist() == [[4, 5, 6]]
    assert batch.skip_BL.tolist() == [[3, 0, 0]]


@pytest.mark.parametrize("sorted_batches", [1, 3])
def test_an_epoch_visits_every_user_once_and_another_one_in_another_order(sorted_batches: int) -> None:
    data = split(feedback_log(impressions()))
    sampler = SequenceSampler(data, batch_size=16, max_length=50, sorted_batches=sorted_batches)
    generator = np.random.default_rng(0)
    epochs = [[int((batch.positive_BL != 0).sum()) for batch in sampler.epoch(generator)] for _ in "ab"]
    assert sum(epochs[0]) == sum(epochs[1]) == (data.sequences.train_U[sampler.users] - 1).sum()
    assert epochs[0] != epochs[1]


def test_sorted_batches_hold_less_padding() -> None:
    data = split(feedback_log(impressions()))

    def cells(sorted_batches: int) -> int:
        sampler = SequenceSampler(data, 16, 50, sorted_batches)
        return sum(batch.item_BL.numel() for batch in sampler.epoch(np.random.default_rng(0)))

    assert cells(5) < 0.9 * cells(1)


def test_no_negative_is_an_item_that_the_user_has_met(halves: SequenceSplit) -> None:
    """In public code the items are compared as text with numbers, so that negatives may be positives."""
    users = np.repeat(np.arange(80), 400)
    drawn = negatives(users, halves, np.random.default_rng(0))
    met = set(halves.seen.tolist())
    assert not met & set((users * (halves.num_items + 1) + drawn).tolist())
    assert drawn.min() >= 1
    assert drawn.max() <= halves.num_items
    for user in range(3):
        open_items = [item for item in range(1, 41) if user * 41 + item not in met]
        counts = np.bincount(drawn[users == user], minlength=41)[open_items]
        assert (counts > 0).all()  # what is held out may be drawn
        assert counts.max() < 400 / len(open_items) * 3


def test_a_user_who_has_met_everything_is_refused_before_it_hangs() -> None:
    data = split(written("p1 p2 s3", num_items=3))
    with pytest.raises(ValueError, match="user 0 has met all 3 items"):
        SequenceSampler(data, 8, 10)


def test_nobody_to_learn_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="two positives"):
        SequenceSampler(split(written("p1 s2", "p3 p4 p5")), 8, 10)
