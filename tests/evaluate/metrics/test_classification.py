"""AUC family against M8, scikit-learn and a loop over users."""

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from tasks.evaluate.metrics.classification import auc, calibration_ratio, gauc, logloss


def test_m8_auc(m8):
    assert auc(m8.valid, m8.prediction).value == pytest.approx(0.633333, abs=1e-6)
    assert auc(m8.long_view, m8.prediction).value == pytest.approx(0.791667, abs=1e-6)
    skipped = m8.label < np.minimum(3, m8.duration)
    assert auc(skipped, -m8.prediction).value == pytest.approx(0.9)


def test_m8_gauc(m8):
    assert gauc(m8.valid, m8.prediction, m8.users).value == pytest.approx(0.642857, abs=1e-6)
    assert gauc(m8.valid, m8.prediction, m8.users, "positives").value == pytest.approx(0.666667, abs=1e-6)
    assert gauc(m8.valid, m8.prediction, m8.users, "equal").value == pytest.approx(0.625)
    long_view = gauc(m8.long_view, m8.prediction, m8.users).result()
    assert (long_view.value, long_view.num_groups, long_view.num_dropped) == (0.75, 1, 2)
    assert long_view.dropped_reason == "users without both classes"
    with pytest.raises(ValueError, match="'pairs'"):
        gauc(m8.valid, m8.prediction, m8.users, "pairs")


def test_equal_scikit_learn():
    generator = np.random.default_rng(12)
    label, score = generator.integers(0, 2, 500), generator.integers(0, 40, 500) / 40
    assert auc(label, score).value == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    assert logloss(label, score).value == pytest.approx(log_loss(label, np.clip(score, 1e-7, 1 - 1e-7)), abs=1e-12)


def test_logloss_is_clipped():
    assert logloss(np.array([1]), np.array([0.0])).value == pytest.approx(-np.log(1e-7))
    assert logloss(np.array([0]), np.array([1.0])).value == pytest.approx(-np.log(1e-7))


def test_calibration_ratio(m8):
    assert calibration_ratio(m8.label, m8.prediction, m8.users).value == pytest.approx(51 / 61)
    assert np.isnan(calibration_ratio(np.zeros(2), np.ones(2)).value)


def test_one_class_is_nan(m8):
    assert np.isnan(auc(np.zeros(8), m8.prediction).value)
    assert np.isnan(gauc(np.ones(8), m8.prediction, m8.users).value)


def test_bad_input_is_refused(m8):
    with pytest.raises(ValueError, match=r"7 values are neither 0 nor 1, first 4\.0 at row 1"):
        auc(m8.label, m8.prediction)
    with pytest.raises(ValueError, match=r"probability: 8 values outside \[0, 1\]"):
        logloss(m8.valid, m8.prediction)
    with pytest.raises(ValueError, match="NaN or infinite"):
        gauc(m8.valid, np.full(8, np.nan), m8.users)
