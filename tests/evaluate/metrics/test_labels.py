"""The label rules: M8, the thresholds to the millisecond, and the ordinal chain."""

import numpy as np
import pytest

from tasks.evaluate.metrics import labels


def test_m8(m8):
    play, duration = 1000 * m8.label, 1000 * m8.duration
    assert labels.skip(play, duration).tolist() == [1, 0, 0, 0, 0, 1, 1, 0]
    assert labels.valid_play(play, duration).tolist() == m8.valid.tolist()
    assert labels.long_view(play, duration).tolist() == m8.long_view.tolist()
    assert labels.finish(play, duration).tolist() == [0, 0, 1, 0, 0, 0, 0, 0]


def test_thresholds_are_exact():
    def at(rule, play, duration):
        return bool(rule(np.array([play]), np.array([duration]))[0])

    assert at(labels.skip, 2999, 9000) and not at(labels.skip, 3000, 9000)
    assert at(labels.skip, 1999, 2000) and not at(labels.skip, 2000, 2000)
    assert at(labels.valid_play, 7000, 7000) and not at(labels.valid_play, 6999, 7000)
    assert at(labels.valid_play, 7001, 7001) and not at(labels.valid_play, 7000, 7001)
    assert at(labels.long_view, 18000, 18000) and not at(labels.long_view, 17999, 18000)
    assert at(labels.long_view, 18000, 18001) and not at(labels.long_view, 17999, 18001)


def test_long_view2_switches_at_the_train_quantile():
    watch, duration = np.array([14500, 14499, 14500, 14501]), np.array([14500, 14500, 60000, 60000])
    assert labels.long_view2(watch, duration, 14500.0).tolist() == [True, False, False, True]


def test_quick_skip_ignores_the_duration():
    assert labels.quick_skip(np.array([1999, 2000]), 2).tolist() == [True, False]


def test_rule_labels_form_an_ordinal_chain():
    generator = np.random.default_rng(0)
    play, duration = generator.integers(0, 60_000, 5000), generator.integers(1, 40_000, 5000)
    finish, long_view = labels.finish(play, duration), labels.long_view(play, duration)
    valid, skip = labels.valid_play(play, duration), labels.skip(play, duration)
    assert not (finish & ~long_view).any()
    assert not (long_view & ~valid).any()
    assert not (valid & skip).any()


def test_seconds_are_refused():
    with pytest.raises(ValueError, match="integer milliseconds, got float64"):
        labels.skip(np.array([2.5]), np.array([9.0]))
