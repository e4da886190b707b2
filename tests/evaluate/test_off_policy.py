import json

import numpy as np
import polars as pl
import pytest

from tasks.core.errors import ContractError
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.evaluation import measure
from tasks.evaluate.metrics.groups import encode_groups
from tasks.evaluate.metrics.pairwise import xauc_influence
from tasks.evaluate.off_policy import importance_weights, overlap, refusal, weighted_xauc_influence
from tasks.evaluate.stage import evaluate

CONFIG = EvaluationConfig(replicates=200, segments=())


@pytest.mark.parametrize("seed", range(20))
def test_weighted_xauc_equals_brute_force(seed):
    draw = np.random.default_rng(seed)
    n = int(draw.integers(2, 60))
    y, p, w = draw.integers(0, 6, n), draw.integers(0, 5, n) / 2, draw.random(n) + 0.1
    above = y[:, None] > y[None, :]
    pair = w[:, None] * w[None, :]
    right = (p[:, None] > p[None, :]) + 0.5 * (p[:, None] == p[None, :])
    expected = (pair * above * right).sum() / (pair * above).sum() if above.any() else float("nan")
    found = weighted_xauc_influence(y.astype(float), p, w, encode_groups(draw.integers(0, 9, n)))
    assert found.value == pytest.approx(expected, nan_ok=True)


def test_equal_weights_give_the_unweighted_metric_and_error():
    draw = np.random.default_rng(0)
    y, users = draw.integers(0, 30, 500).astype(float), encode_groups(draw.integers(0, 80, 500))
    p = y + draw.normal(0, 10, 500)
    plain, weighted = xauc_influence(y, p, users), weighted_xauc_influence(y, p, np.full(500, 3.0), users)
    assert weighted.value == pytest.approx(plain.value)
    np.testing.assert_allclose(weighted.psi_U, plain.psi_U, atol=1e-12)


def test_weights_and_their_diagnostics():
    weights = importance_weights(np.array([0.1, 0.5, 0.01]), num_videos=10, clip=5.0)
    np.testing.assert_allclose(weights, [1, 0.2, 5])
    assert overlap(weights).effective_rows == pytest.approx(6.2**2 / (1 + 0.04 + 25))
    with pytest.raises(ContractError, match=r"outside \(0, 1\] in 1 rows, first 0.0"):
        importance_weights(np.array([0.5, 0.0]), 10, None)


def exposed(table, rows: int = 30_000) -> pl.DataFrame:
    """Logged rows favour the videos the model is good at; the last third of the rows is exposed uniformly."""
    draw = np.random.default_rng(4)
    chance = np.where(np.arange(60) < 30, 1.7, 0.3) / 60
    random = np.arange(rows) >= 2 * rows // 3
    video = np.where(random, draw.integers(0, 60, rows), draw.choice(60, rows, p=chance))
    y = np.round(np.exp(draw.normal(2.5, 0.7, rows)), 1)
    error = np.where(video < 30, 0.2, 1.5) * draw.normal(0, 1, rows)
    guess = y * np.exp(error)
    changes = {f"{name}_s0": guess for name in ("score", "watch_mean", "watch_median")}
    return table(rows=rows, users=2000, video_id=video, y_s=y, duration_ms=[300_000] * rows, **changes).with_columns(
        policy=pl.Series(np.where(random, "random", "standard")),
        exposure_probability=pl.Series(np.where(random, 1 / 60, chance[video])),
    )


def test_reweighted_logged_rows_agree_with_random_exposure(write_table, table):
    found = measure(write_table("model", exposed(table)), CONFIG, name="model")
    parts = {part.exposure: part for part in found.exposures}
    assert set(parts) == {"logged", "random", "snips", "dr", "ips"}
    assert (parts["random"].rows, parts["logged"].rows, found.rows) == (10_000, 20_000, 20_000)
    for metric in ("mae", "xauc"):
        truth, logged, snips = (parts[name].metrics[metric] for name in ("random", "logged", "snips"))
        biased, unbiased = abs(logged.value - truth.value), abs(snips.value - truth.value)
        assert biased > 5 * truth.standard_error, metric
        assert unbiased < 3 * np.hypot(snips.standard_error, truth.standard_error), metric
    dr, snips = parts["dr"].metrics["mae"], parts["snips"].metrics["mae"]
    assert abs(dr.value - parts["random"].metrics["mae"].value) < 3 * np.hypot(dr.standard_error, truth.standard_error)
    assert dr.standard_error < 1.02 * snips.standard_error
    assert parts["ips"].metrics["mae"].value == pytest.approx(parts["snips"].metrics["mae"].value, rel=0.05)
    assert parts["snips"].diagnostics.mean_weight == pytest.approx(1, abs=0.05)
    assert found.metrics["mae"].value == parts["logged"].metrics["mae"].value


def test_too_few_effective_rows_give_a_reason_and_no_number(write_table, table, tmp_path):
    frame = table(rows=300).with_columns(
        exposure_probability=pl.when(pl.int_range(pl.len()) == 0).then(1e-6).otherwise(0.9)
    )
    found = evaluate(write_table("model", frame), CONFIG, tmp_path / "out")
    snips = next(part for part in found.exposures if part.exposure == "snips")
    assert dict(snips.metrics) == {}
    assert "1 effective rows are fewer than 100" in snips.reason
    assert json.loads((tmp_path / "out/metrics.json").read_text())["random_exposure"]["snips"]["reason"] == snips.reason


def test_a_log_without_exposure_says_nothing(write_table):
    assert measure(write_table("model"), CONFIG, name="model").exposures == ()


def test_weights_off_by_a_factor_refuse_the_plain_estimator_only() -> None:
    """A probability per slot, or given a candidate set, is right up to a factor; the self-normalised one forgives it."""
    rng = np.random.default_rng(0)
    right = overlap(importance_weights(rng.uniform(0.5, 1.5, 5_000) / 100, 100, None))
    scaled = overlap(importance_weights(rng.uniform(0.5, 1.5, 5_000) / 2, 100, None))
    assert refusal("ips", right, 100) is None
    assert refusal("snips", scaled, 100) is None
    assert "not 1" in str(refusal("ips", scaled, 100))
    assert "effective rows" in str(refusal("snips", scaled, 10**6))
