import json

import numpy as np
import polars as pl
import pytest

from tasks.core.document import read_document, read_rows
from tasks.evaluate.catalogue import MAIN
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.document import MeasuredSegment, ModelMetrics
from tasks.evaluate.evaluation import UnknownMetric, measure
from tasks.evaluate.metrics.pairwise import xauc
from tasks.evaluate.reliability import CalibrationBin
from tasks.evaluate.stage import evaluate, reliability_csv, write_summary

CONFIG = EvaluationConfig(replicates=200, list_lengths=(2,), segments=())
SEGMENTED = EvaluationConfig(replicates=200, list_lengths=(2,))

M8 = {
    "user_id": [1, 1, 1, 1, 2, 2, 2, 3],
    "video_id": [1, 2, 3, 4, 1, 2, 3, 1],
    "y": [0, 4, 10, 30, 8, 2, 2, 5],
    "d": [10, 20, 10, 40, 10, 20, 10, 10],
    "p": [2, 6, 5, 20, 4, 3, 5, 6],
    "skip": [1, 0, 0, 0, 0, 1, 1, 0],
    "valid_play": [0, 0, 1, 1, 1, 0, 0, 0],
    "long_view": [0, 0, 1, 1, 0, 0, 0, 0],
}
EXPECTED_M8 = {
    "mae": 3.5,
    "rmse": 4.472136,
    "tre": 0.196078,
    "tre_signed": -0.196078,
    "xauc": 0.777778,
    "xgauc": 0.690476,
    "video_xauc": 0.714286,
    "auc_valid_play": 0.633333,
    "auc_long_view": 0.791667,
    "auc_skip": 0.9,
    "gauc_valid_play": 0.642857,
    "gauc_long_view": 0.75,
    "ndcg_valid_play@2": 0.622038,
    "recall_valid_play@2": 0.75,
    "wt@2": 9.0,
    "pcr@2": 0.491667,
    "dce_rel": 0.241667,
    "dce_s": 2.0,
    "dce_max": 0.5,
}


def m8_changes() -> dict[str, object]:
    y, d, p = (np.array(M8[name], dtype=float) for name in "ydp")
    changes: dict[str, object] = {name: M8[name] for name in ("user_id", "video_id", "skip", "valid_play", "long_view")}
    changes |= {"y_s": y, "watch_ms": (1000 * y).astype(int), "duration_ms": (1000 * d).astype(int)}
    changes |= {"score_s0": p, "watch_mean_s0": p, "watch_median_s0": p}
    return changes | {"p_skip_s0": 1 - p / 30, "p_long_view_s0": p / 30, "p_valid_play_s0": p / 30}


def test_m8_end_to_end(write_table, table):
    path = write_table("m8", table(rows=8, users=3, **m8_changes()))
    found = measure(path, CONFIG, name="m8", duration_edges_s=[15.0, 30.0])
    values = {name: found.metrics[name].value for name in EXPECTED_M8}
    assert values == pytest.approx(EXPECTED_M8, abs=1e-6)
    assert (found.rows, found.users, found.days) == (8, 3, ("2022-05-01",))
    assert found.metrics["xgauc"].groups == 2
    assert found.metrics["xgauc"].dropped == 1


@pytest.mark.slow
def test_writes_the_same_bytes_twice(write_table, tmp_path):
    path = write_table("model", seeds=2)
    for out in ("first", "second"):
        summary = evaluate(path, SEGMENTED, tmp_path / out)
        write_summary(summary, tmp_path / out / "flat.json", tmp_path / out)
    for name in ("metrics.json", "segments.json", "reliability.csv", "flat.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


def test_documents_hold_what_a_report_needs(write_table, tmp_path):
    path = write_table("model", seeds=2)
    evaluation = evaluate(path, SEGMENTED, tmp_path / "out")
    write_summary(evaluation, tmp_path / "metrics/model.json", tmp_path / "plots/model", 0.61)
    document = json.loads((tmp_path / "out/metrics.json").read_text())
    entry = document["metrics"]["xauc"]
    assert entry["low"] < entry["value"] < entry["high"]
    assert (len(entry["per_seed"]), entry["column"], entry["higher_is_better"]) == (2, "score", True)
    assert (document["name"], document["role"], document["seeds"]) == ("model", "judge", [0, 1])
    assert document["metrics"]["skip@2"]["higher_is_better"] is False
    assert document["metrics"]["auc_skip"]["column"] == "p_skip"
    flat = json.loads((tmp_path / "metrics/model.json").read_text())
    assert (flat["xauc"], flat["xauc_se"]) == (entry["value"], entry["standard_error"])
    assert flat.keys() == {*MAIN, "xauc_se", "validation_xauc"}
    assert flat["validation_xauc"] == 0.61
    reliability = pl.read_csv(tmp_path / "plots/model/reliability.csv")
    assert reliability.filter(table="duration_decile", seed=0)["rows"].sum() == 3000
    assert set(reliability["table"]) == {"duration_decile", "watch_mean", "skip", "long_view", "like"}


def test_documents_read_back_as_they_stand_in_the_files(write_table, table, tmp_path):
    """To the last digit, with None where a number is undefined and `{}` where nothing was weighted."""
    path = write_table("model", table(like=[0] * 3000).with_columns(policy=pl.Series(["standard", "random"] * 1500)))
    evaluation = evaluate(path, SEGMENTED, tmp_path)
    document, segments = (json.loads((tmp_path / name).read_text()) for name in ("metrics.json", "segments.json"))
    read = read_document(tmp_path / "metrics.json", ModelMetrics, "evaluate")
    assert read.as_json() == document
    assert read.random_exposure["random"].diagnostics is None
    parts = read_document(tmp_path / "segments.json", tuple[MeasuredSegment, ...], "evaluate")
    assert [part.as_json() for part in parts] == segments
    bins = read_rows(tmp_path / "reliability.csv", CalibrationBin, "evaluate")
    assert [(one.table, one.seed, one.rows) for one in bins] == [
        (one.table, one.seed, one.rows) for one in evaluation.reliability
    ]
    assert reliability_csv(bins) == (tmp_path / "reliability.csv").read_text()


def test_an_undefined_metric_is_null_and_not_a_number(write_table, table, tmp_path):
    path = write_table("model", table(like=[0] * 3000))
    evaluation = evaluate(path, CONFIG, tmp_path / "out")
    assert np.isnan(evaluation.metric("auc_like").value)
    document = json.loads((tmp_path / "out/metrics.json").read_text())
    assert document["metrics"]["auc_like"]["value"] is None
    assert document["metrics"]["calibration_ratio_like"]["value"] is None


def test_a_list_length_that_was_not_computed_is_an_error(write_table):
    found = measure(write_table("model"), CONFIG, name="model")
    with pytest.raises(UnknownMetric, match=r"'ndcg_long_view@5' was not computed for model 'model'.*ndcg_long_view@2"):
        found.metric("ndcg_long_view@5")


def test_shuffled_labels_have_no_order(write_table, table):
    frame = table(rows=6000)
    shuffled = frame.with_columns(y_s=pl.min_horizontal(pl.col("y_s").shuffle(seed=3), pl.col("duration_ms") / 1000))
    shuffled = shuffled.with_columns(score_s0=pl.Series(np.random.default_rng(1).permutation(frame["score_s0"])))
    estimate = measure(write_table("shuffled", shuffled), CONFIG, name="shuffled").metrics["xauc"]
    assert abs(estimate.value - 0.5) < 3 * estimate.standard_error
    assert 0.001 < estimate.standard_error < 0.02


def test_seed_averages_and_spread(write_table):
    estimate = measure(write_table("model", seeds=3), CONFIG, name="model").metrics["mae"]
    assert estimate.value == pytest.approx(np.mean(estimate.per_seed))
    assert estimate.seed_sd == pytest.approx(np.std(estimate.per_seed, ddof=1))
    assert len(set(estimate.per_seed)) == 3


def test_segments_partition_the_rows(write_table, table):
    frame = table()
    found = measure(write_table("model", frame), SEGMENTED, name="model")
    for segment in SEGMENTED.segments:
        parts = [part for part in found.segments if part.segment == segment]
        assert sum(part.rows for part in parts) == 3000, segment
        assert len(parts) > 1, segment
    scene = next(part for part in found.segments if (part.segment, part.value) == ("scene", "1"))
    rows = frame.filter(scene=1)
    assert scene.metrics["xauc"].value == pytest.approx(xauc(rows["y_s"].to_numpy(), rows["score_s0"].to_numpy()).value)
    assert scene.users == rows["user_id"].n_unique()
    new_users = next(part for part in found.segments if part.value == "new user")
    assert new_users.rows == frame.filter(is_new_user=1).height


def test_small_segments_are_counted_without_numbers(write_table, table):
    frame = table(scene=[9] * 20 + [0] * 2980)
    found = measure(write_table("model", frame), SEGMENTED, name="model")
    small, large = [part for part in found.segments if part.segment == "scene"][::-1]
    assert (small.rows, dict(small.metrics)) == (20, {})
    assert (large.rows, "xauc" in large.metrics) == (2980, True)


def test_duration_edges_of_an_earlier_day_are_kept(write_table, table):
    earlier = write_table("earlier", table(duration_ms=[10_000] * 1400 + [20_000] * 1600, y_s=[1.0] * 3000))
    found = measure(write_table("model"), SEGMENTED, name="model", validation=earlier)
    assert set(found.duration_edges_s) == {10.0, 20.0}
    assert {part.value for part in found.segments if part.segment == "duration_decile"} == {
        "< 10 s",
        "10-20 s",
        ">= 20 s",
    }


def test_warns_of_tied_scores_and_of_missing_kinds(write_table, table):
    frame = table(score_s0=[0.0] * 3000, is_new_video=[0] * 3000)
    found = measure(write_table("flat", frame), CONFIG, name="flat")
    assert any("100.0% of all pairs" in warning for warning in found.warnings)
    assert any("no row of a new video" in warning for warning in found.warnings)
    assert found.metrics["xauc"].value == 0.5


def test_a_median_used_as_the_mean_is_exposed(write_table, table):
    """A robust decode ranks alike, but promises too little: the totals and the duration deciles show it."""
    frame = table(rows=8000)
    honest = measure(write_table("honest", frame), CONFIG, name="honest")
    robust = frame.with_columns(watch_mean_s0=pl.col("watch_median_s0") * 0.6)
    median = measure(write_table("median", robust), CONFIG, name="median")
    assert median.metrics["xauc"].value == honest.metrics["xauc"].value
    assert abs(honest.metrics["tre_signed"].value) < 0.12 < -median.metrics["tre_signed"].value
    assert median.metrics["dce_rel"].value > 2 * honest.metrics["dce_rel"].value
