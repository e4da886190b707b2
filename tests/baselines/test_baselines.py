import numpy as np
import polars as pl
import pytest

from tasks.baselines.config import BaselineConfig
from tasks.baselines.constant import Constant
from tasks.baselines.duration_table import DurationTable
from tasks.baselines.item_user_effects import ItemUserEffects
from tasks.baselines.registry import BASELINES
from tasks.baselines.rows import read_examples
from tasks.baselines.stage import fit_calibration
from tasks.baselines.trees import TREES
from tasks.core.errors import TrainingError
from tasks.evaluate.role import RoleError
from tasks.table.source import FeatureFolder

CONFIG = BaselineConfig(duration_groups=20, num_threads=1, shrinkage=5)
LATER = 2**60


@pytest.fixture(scope="module")
def source(features):
    return FeatureFolder.open(features)


@pytest.fixture(scope="module")
def examples(source, days):
    """Return fit, validation and judge rows."""
    wanted = {"fit": days.fit, "validation": (days.validation,), "judge": days.judge}
    return {role: read_examples(source, some, role, LATER) for role, some in wanted.items()}


def test_the_registry_names_every_baseline_that_can_be_configured():
    assert {*BASELINES, TREES} == set(BaselineConfig().enabled)


def test_the_constant_is_the_median_and_the_mean_of_fit_days(examples):
    fitted = Constant.fit(examples["fit"], examples["validation"], CONFIG)
    predicted = fitted.predict(examples["judge"].frame, "judge")
    assert np.unique(predicted["median"]) == [np.median(examples["fit"].watch_s)]
    assert np.unique(predicted["mean"]) == pytest.approx([examples["fit"].watch_s.mean()])
    assert np.unique(predicted["score"]).size == 1
    assert predicted["p_skip"][0] == pytest.approx(examples["fit"].frame["skip"].mean())


def test_the_duration_table_looks_up_the_bucket(examples):
    fitted = DurationTable.fit(examples["fit"], examples["validation"], CONFIG)
    frame, watch_s = examples["fit"].frame, examples["fit"].watch_s
    predicted = fitted.predict(frame, "fit")
    for duration in frame["duration_ms"].unique():
        here = (frame["duration_ms"] == duration).to_numpy()
        assert np.unique(predicted["median"][here]) == [np.median(watch_s[here])]
        assert np.unique(predicted["mean"][here]) == pytest.approx([watch_s[here].mean()])
        assert predicted["p_skip"][here] == pytest.approx(frame["skip"].to_numpy()[here].mean())


def test_effects_find_what_was_planted_and_are_nothing_for_unknown_ids(examples):
    fitted = ItemUserEffects.fit(examples["fit"], examples["validation"], CONFIG)
    table = DurationTable.fit(examples["fit"], examples["validation"], CONFIG)
    frame = examples["judge"].frame
    known, base = fitted.predict(frame, "judge"), table.predict(frame, "judge")
    watch_s = examples["judge"].watch_s
    assert np.abs(watch_s - known["mean"]).mean() < 0.8 * np.abs(watch_s - base["mean"]).mean()
    strangers = frame.with_columns(user_id=pl.lit(10_000), video_id=pl.lit(-5))
    np.testing.assert_allclose(fitted.predict(strangers, "judge")["score"], base["mean"])


def test_effects_are_shrunken_sums_of_residuals(examples):
    fitted = ItemUserEffects.fit(examples["fit"], examples["validation"], CONFIG)
    table = DurationTable.fit(examples["fit"], examples["validation"], CONFIG)
    frame, watch_s = examples["fit"].frame, examples["fit"].watch_s
    residual = watch_s - table.predict(frame, "fit")["mean"]
    here = (frame["video_id"] == 7).to_numpy()
    place = int(fitted.videos.code(pl.Series([7]))[0])
    assert fitted.watch.video[place] == pytest.approx(residual[here].sum() / (here.sum() + CONFIG.shrinkage))


def test_the_judge_day_calibrates_nothing(examples, days):
    fitted = DurationTable.fit(examples["fit"], examples["validation"], CONFIG)
    with pytest.raises(RoleError, match="a calibrator was given rows of the judge day"):
        fit_calibration(fitted, examples["fit"], examples["judge"], days.judge[0], CONFIG)


def test_rows_that_were_known_too_late_are_left_out(source, days):
    everything = read_examples(source, days.fit, "fit", LATER)
    cutoff = int(everything.frame["known_at_ms"].sort()[1000])
    assert read_examples(source, days.fit, "fit", cutoff).frame["known_at_ms"].max() == cutoff
    with pytest.raises(TrainingError, match=r"fit days 2024-03-01, .* hold no row that was known in time"):
        read_examples(source, days.fit, "fit", 0)
