import numpy as np
import polars as pl
import pytest

from tasks.evaluate.compare import compare
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.table import PredictionError

CONFIG = EvaluationConfig(replicates=300)


def test_a_model_against_itself_is_exactly_nothing(write_table):
    path = write_table("model", seeds=2)
    found = compare([path], [path], CONFIG)
    assert set(found.metrics) == {
        *("xauc", "xgauc", "rmse_ratio", "mae", "xauc_new_user", "xauc_new_video"),
        *("gauc_long_view", "auc_skip", "auc_like"),
    }
    for metric in found.metrics.values():
        assert (metric.value, metric.standard_error, metric.low, metric.high) == (0, 0, 0, 0), metric.name
    assert found.candidate_levels == found.reference_levels
    assert found.score_psi == 0


def test_noise_makes_a_model_worse_and_is_noticed(write_table, table):
    good = table(rows=6000, users=800)
    noise = np.random.default_rng(5).normal(0, good["score_s0"].std(), 6000)
    noisy = good.with_columns(score_s0=pl.col("score_s0") + pl.Series(noise))
    found = compare([write_table("noisy", noisy)], [write_table("good", good)], CONFIG).metrics
    for name in ("xauc", "xgauc"):
        assert found[name].high < 0, name
        assert found[name].value < -5 * found[name].standard_error, name
    assert found["mae"].value == 0
    assert found["mae"].standard_error == 0


def test_pairing_makes_the_difference_sharper_than_either_side(write_table, table):
    good = table(rows=6000, users=800)
    shift = pl.Series(np.random.default_rng(5).normal(0, 0.05, 6000))
    near = good.with_columns(score_s0=pl.col("score_s0") + shift, watch_mean_s0=pl.col("watch_mean_s0") * (1 + shift))
    paired = compare([write_table("near", near)], [write_table("good", good)], CONFIG).metrics["xauc"]
    single = compare(
        [write_table("near", near)], [write_table("good", table(rows=6000, users=800, score_s0=[0.0] * 6000))], CONFIG
    )
    assert 0 < paired.standard_error < single.metrics["xauc"].standard_error / 4
    assert paired.candidate - paired.reference == paired.value


def test_rmse_ratio_and_mae_have_their_closed_forms(write_table, table):
    good = table()
    worse = good.with_columns(watch_mean_s0=pl.lit(0.0), watch_median_s0=pl.lit(0.0))
    found = compare([write_table("zero", worse)], [write_table("good", good)], CONFIG)
    y = good["y_s"].to_numpy()
    rmse = np.sqrt(np.mean((y - good["watch_mean_s0"].to_numpy()) ** 2))
    mae = np.mean(np.abs(y - good["watch_median_s0"].to_numpy()))
    assert found.metrics["rmse_ratio"].value == pytest.approx(np.sqrt(np.mean(y**2)) / rmse - 1)
    assert found.metrics["mae"].value == pytest.approx(np.mean(y) - mae)
    assert np.isnan(found.candidate_levels["tre_signed"])
    assert found.candidate_levels["dce_max"] == pytest.approx(1)
    assert found.reference_levels["rmse"] == pytest.approx(rmse)


def test_seeds_are_averaged_and_their_spread_reported(write_table):
    three, two = write_table("three", seeds=3), write_table("two", seeds=2)
    found = compare([three], [two], CONFIG).metrics["xauc"]
    assert (found.candidate_num_seeds, found.reference_num_seeds) == (3, 2)
    assert found.candidate_seed_sd > 0
    assert found.reference_seed_sd > 0
    one = compare([write_table("one")], [two], CONFIG).metrics["xauc"]
    assert np.isnan(one.candidate_seed_sd)


def test_judge_days_are_pooled_and_users_of_both_days_are_one(write_table, table):
    paths = {
        (model, day): write_table(f"{model}{day}", table(seed=day, day=[f"2022-05-0{day}"] * 3000, noise=noise))
        for model, noise in (("a", 0.4), ("b", 0.8))
        for day in (1, 2)
    }
    found = compare([paths["a", 1], paths["a", 2]], [paths["b", 1], paths["b", 2]], CONFIG)
    one_day = compare([paths["a", 1]], [paths["b", 1]], CONFIG)
    assert (found.rows, found.days) == (6000, ("2022-05-01", "2022-05-02"))
    assert found.users <= 400
    assert found.metrics["xauc"].standard_error < one_day.metrics["xauc"].standard_error
    assert found.metrics["xauc"].low > 0


def test_days_in_another_order_are_refused(write_table, table):
    first, second = (write_table(f"day{day}", table(seed=day)) for day in (1, 2))
    with pytest.raises(PredictionError, match="same rows in the same order"):
        compare([first, second], [second, first], CONFIG)


def test_a_task_one_side_does_not_predict_is_left_out(write_table, table):
    full, without = write_table("full", table()), write_table("without", table().drop("p_like_s0", "p_long_view_s0"))
    found = compare([without], [full], CONFIG).metrics
    assert "auc_like" not in found
    assert "gauc_long_view" not in found
    assert "auc_skip" in found


def test_segments_that_do_not_exist_are_undefined_and_positives_are_counted(write_table, table):
    frame = table(is_new_user=[0] * 3000, like=[1] * 7 + [0] * 2993)
    path = write_table("model", frame)
    found = compare([path], [path], CONFIG).metrics
    assert np.isnan(found["xauc_new_user"].value)
    assert np.isnan(found["xauc_new_user"].standard_error)
    assert (found["xauc_new_user"].rows, found["auc_like"].positives) == (0, 7)
    assert found["xauc_new_video"].rows == frame.filter(is_new_video=1).height


def test_randomly_exposed_rows_are_left_out(write_table, table):
    policy = ["random"] * 1000 + ["standard"] * 2000
    mixed = write_table("mixed", table(policy=policy))
    assert compare([mixed], [mixed], CONFIG).rows == 2000
    only = write_table("only", table(policy=["random"] * 3000))
    assert compare([only], [only], CONFIG).rows == 3000


def test_a_shifted_score_raises_the_stability_index(write_table, table):
    good = table()
    shifted = good.with_columns(score_s0=pl.col("score_s0") + good["score_s0"].std())
    assert compare([write_table("shifted", shifted)], [write_table("good", good)], CONFIG).score_psi > 0.2


def test_nan_predictions_stop_a_comparison(write_table, table):
    broken = table().with_columns(watch_mean_s0=pl.when(pl.int_range(pl.len()) != 5).then("watch_mean_s0"))
    with pytest.raises(
        PredictionError, match=r"'candidate': watch_mean_s0 is NaN or infinite in 1 of 3000 rows \(rows 5;"
    ):
        compare([write_table("broken", broken)], [write_table("good", table())], CONFIG)
