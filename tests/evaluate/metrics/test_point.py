"""Point errors: M8, the published definitions, and what must not pass."""

import numpy as np
import pytest

from tasks.evaluate.metrics import point


def test_m8(m8):
    assert point.mae(m8.label, m8.prediction).value == pytest.approx(3.5)
    assert point.rmse(m8.label, m8.prediction).value == pytest.approx(4.472136, abs=1e-6)
    assert point.tre(m8.label, m8.prediction).value == pytest.approx(0.196078, abs=1e-6)
    assert point.tre_signed(m8.label, m8.prediction).value == pytest.approx(-0.196078, abs=1e-6)
    assert point.mre(m8.label, m8.prediction).value == pytest.approx(0.008333, abs=1e-6)


def test_normalised_errors_divide_by_label_mean_and_population_sd(m8):
    assert point.nmae(m8.label, m8.prediction).value == pytest.approx(3.5 / m8.label.mean())
    assert point.nrmse(m8.label, m8.prediction).value == pytest.approx(20**0.5 / m8.label.std())


def test_per_user_sums_add_up_to_the_pooled_value(m8):
    for metric in (point.mae, point.rmse, point.nmae, point.nrmse, point.tre, point.tre_signed, point.mre):
        by_user = metric(m8.label, m8.prediction, m8.users)
        assert by_user.value == pytest.approx(metric(m8.label, m8.prediction).value)
        assert (by_user.num_rows, by_user.num_groups) == (8, 3)


def test_mre_skips_and_counts_zero_predictions():
    result = point.mre(np.array([1.0, 5.0]), np.array([2.0, 0.0])).result()
    assert (result.value, result.num_rows, result.num_dropped) == (0.5, 2, 1)
    assert result.dropped_reason == "rows with prediction 0"


def test_pinball_at_one_half_is_half_the_mae(m8):
    assert point.pinball(m8.label, m8.prediction, 0.5).value == pytest.approx(1.75)
    assert point.pinball(np.array([10.0]), np.array([4.0]), 0.9).value == pytest.approx(5.4)
    assert point.pinball(np.array([4.0]), np.array([10.0]), 0.9).value == pytest.approx(0.6)
    with pytest.raises(ValueError, match=r"tau is 1\.0"):
        point.pinball(m8.label, m8.prediction, 1.0)


def test_undefined_is_nan():
    assert np.isnan(point.mae(np.array([]), np.array([])).value)
    assert np.isnan(point.nrmse(np.array([2.0, 2.0]), np.array([1.0, 2.0])).value)
    assert np.isnan(point.tre(np.array([1.0]), np.array([0.0])).value)
    assert np.isnan(point.mre(np.array([1.0]), np.array([0.0])).value)


def test_non_finite_predictions_say_how_many_and_where(m8):
    bad = m8.prediction.astype(float)
    bad[[3, 6]] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"prediction: 2 of 8 values are NaN or infinite, first at rows \[3, 6\]"):
        point.mae(m8.label, bad)


def test_tables_of_different_length_are_refused(m8):
    with pytest.raises(ValueError, match="'label': 8, 'prediction': 7"):
        point.mae(m8.label, m8.prediction[:7])
    with pytest.raises(ValueError, match="8 values for 7 grouped rows"):
        point.mae(m8.label, m8.prediction, m8.users.subset(slice(7)))
    with pytest.raises(ValueError, match=r"shape \(8, 1\)"):
        point.mae(m8.label, m8.prediction[:, None])
